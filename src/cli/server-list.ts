// What `ctl list` shows: the servers of this user, whatever their paths.

import { readFileSync } from "node:fs";
import { ask } from "./control-client.ts";
import { table } from "./tables.ts";

/** How long one may take to answer: one that is stopped, or does not answer, is told as that. */
const patienceMs = 2_000;

interface Server {
  pid: number | null;
  control: string;
  /** The device's state, or why it is not known. */
  state: string;
  session: string;
  /** Where its metrics are; null without an inspector. */
  metrics: string | null;
}

/** Prints them, one a line. */
export async function listServers(isJson: boolean): Promise<void> {
  const found = await Promise.all(controlSockets().map(serverAt));
  const servers = found.filter((one) => one !== null);
  if (isJson) for (const server of servers) console.log(JSON.stringify(server));
  else if (servers.length === 0) console.log("no server of this user runs");
  else {
    const cells = servers.map(({ pid, control, state, session, metrics }) => [
      ...[`${pid ?? "-"}`, state, session, control, metrics ?? "-"],
    ]);
    console.log(table(["PID>", "DEVICE", "GUEST", "CONTROL SOCKET", "METRICS"], cells));
  }
}

/**
 * Paths at which some process listens and that could be ours, from the kernel's list (proc(5), /proc/net/unix). Others than
 * those named *.ctl are not asked: a stranger's server would take the question for a client.
 */
function controlSockets(): string[] {
  const listening = /^\S+ \S+ \S+ 00010000 0001 01 +\d+ (\/.*\.ctl)$/;
  const paths = readFileSync("/proc/net/unix", "utf8")
    .split("\n")
    .flatMap((line) => listening.exec(line)?.[1] ?? []);
  return [...new Set(paths)].toSorted();
}

/** null: it is another user's, or no server of ours. */
async function serverAt(control: string): Promise<Server | null> {
  const asked = <T>(question: Promise<T>): Promise<T | null> =>
    Promise.race([question, Bun.sleep(patienceMs).then(() => null)]);
  try {
    const status = await asked(ask(control, { command: "status" }));
    if (status === null) return { pid: null, control, state: "does not answer", session: "-", metrics: null };
    if (typeof status["pid"] !== "number") return null;
    const url = await asked(ask(control, { command: "inspector" })).catch(() => {
      // It says so: it has none.
      return null;
    });
    return {
      pid: status["pid"],
      control,
      state: wordOf(status["device"]),
      session: wordOf((status["session"] as { state?: unknown } | null)?.state ?? "-"),
      metrics: url === null ? null : new URL("/metrics", String(url["url"])).href,
    };
  } catch {
    // All is expected here: who listens there is another user's, no server of ours, or has just gone.
    return null;
  }
}

/** A machine's state as one word. */
function wordOf(state: unknown): string {
  if (typeof state === "string") return state;
  return Object.entries(state as Record<string, unknown>)
    .map(([name, inner]) => `${name}.${wordOf(inner)}`)
    .join(" ");
}
