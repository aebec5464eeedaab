// The facts in Prometheus' text format (version 0.0.4).

import type { ActorRecord, LatencyRecord } from "./feed.ts";

export const metricsType = "text/plain; version=0.0.4; charset=utf-8";

type Labels = Readonly<Record<string, string>>;

class Page {
  private text = "";

  family(name: string, type: "counter" | "gauge" | "summary", help: string): void {
    this.text += `# HELP fencepost_${name} ${help}\n# TYPE fencepost_${name} ${type}\n`;
  }

  sample(name: string, labels: Labels, value: number): void {
    const pairs = Object.entries(labels).map(([key, text]) => `${key}="${escaped(text)}"`);
    this.text += `fencepost_${name}{${pairs.join(",")}} ${value}\n`;
  }

  toString(): string {
    return this.text;
  }
}

/** `pausedNs`: how long the ctrl queue has been paused, 0 where it runs. */
export function metricsText(
  actors: readonly ActorRecord[],
  latencies: readonly LatencyRecord[],
  pausedNs: number,
): string {
  const page = new Page();
  page.family("actor_counter", "gauge", "What an actor counts, by its own names.");
  for (const { name: actor, counters } of actors) {
    for (const [name, value] of Object.entries(counters))
      page.sample("actor_counter", { actor, name }, value);
  }
  page.family("actor_restarts", "gauge", "Crashes of an actor that are not forgiven yet.");
  for (const { name: actor, restarts } of actors) page.sample("actor_restarts", { actor }, restarts);
  page.family("actor_crashes_total", "counter", "Crashes of an actor since the server has started.");
  for (const { name: actor, crashes } of actors) page.sample("actor_crashes_total", { actor }, crashes);
  page.family("actor_mailbox_messages", "gauge", "Messages on their way to an actor.");
  for (const { name: actor, mailbox } of actors) {
    for (const [from, count] of Object.entries(mailbox)) {
      page.sample("actor_mailbox_messages", { actor, from }, count);
    }
  }
  page.family("tap_dropped_records_total", "counter", "Records for which a tap had no room.");
  for (const { name: actor, droppedRecords } of actors) {
    page.sample("tap_dropped_records_total", { actor }, droppedRecords);
  }
  page.family("ctrl_queue_paused", "gauge", "Whether a break keeps the ctrl queue from running commands.");
  page.sample("ctrl_queue_paused", {}, pausedNs > 0 ? 1 : 0);
  page.family("ctrl_queue_paused_seconds", "gauge", "How long that has been so.");
  page.sample("ctrl_queue_paused_seconds", {}, pausedNs / 1e9);
  page.family("command_errors_total", "counter", "Commands that were answered with an error.");
  for (const { queue, type, errors } of latencies)
    page.sample("command_errors_total", { queue, type }, errors);
  page.family("command_request_bytes_total", "counter", "Bytes of requests.");
  for (const { queue, type, bytes } of latencies) {
    page.sample("command_request_bytes_total", { queue, type }, bytes);
  }
  page.family("command_seconds", "summary", "From the taking of a command to its answer.");
  for (const { queue, type, count, p50Ns, p99Ns } of latencies) {
    page.sample("command_seconds", { queue, type, quantile: "0.5" }, p50Ns / 1e9);
    page.sample("command_seconds", { queue, type, quantile: "0.99" }, p99Ns / 1e9);
    page.sample("command_seconds_count", { queue, type }, count);
  }
  return page.toString();
}

const escaped = (text: string): string =>
  text.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");
