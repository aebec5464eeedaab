// What the timeline shows, as lanes of spans: commands from kick to interrupt, fences, what the display is told, frames.

import type { CommandRecord, PictureRecord } from "../../feed.ts";
import { contextText, isOver } from "../command-text.ts";

/** Parts of a span: waiting to be taken, running, waiting for a fence, waiting to be seen by the guest, at a sink. */
export type PartKind = "wait" | "run" | "fence" | "answer" | "frame";

export interface Part {
  kind: PartKind;
  startNs: number;
  endNs: number;
}

export interface Span {
  /** What it is called: a command's type, "fence 12", "frame". Equal names may be folded. */
  name: string;
  startNs: number;
  endNs: number;
  parts: readonly Part[];
  isError: boolean;
  /** "queue:number" of the command that it belongs to, "" where there is none. */
  command: string;
  /** Words that a search looks at, in lower case. */
  text: string;
  /** The scanout, and the message that told the display; frames show all up to it. */
  picture: PictureRecord | null;
}

export interface Lane {
  id: string;
  /** What stands above it: a context's has its name, which the guest may change with the next one of that id. */
  title: string;
  /** By their beginning. */
  spans: Span[];
}

/** Spans that a lane keeps: the oldest go first. */
const spansMax = 20_000;
const commandsMax = 20_000;
/** A guest may make contexts without end: the one that has done nothing for longest goes first. */
const contextLanesMax = 24;

/** A command from its kick, or where the queue was awake from its taking, until the guest could see its answer. */
export function spanOf(command: CommandRecord): Span {
  const { kickNs, takenNs, parkedNs, publishedNs, lostNs } = command;
  const startNs = kickNs === 0 ? takenNs : kickNs;
  // What has no end yet goes on.
  const completed = completedOf(command);
  const ran = parkedNs === 0 ? completed : parkedNs;
  const endNs = Math.max(publishedNs, completed, lostNs);
  const ends: [PartKind, number][] = [
    ["wait", takenNs],
    ["run", ran],
    ["fence", completed],
    ["answer", endNs],
  ];
  const parts: Part[] = [];
  let at = startNs;
  for (const [kind, end] of ends) {
    if (end > at) parts.push({ kind, startNs: at, endNs: end });
    at = Math.max(at, end);
  }
  const isError = command.response.startsWith("ERR_");
  return {
    ...{ name: command.type, startNs, endNs, parts, isError, command: command.id, picture: null },
    text: searchText(command),
  };
}

/** When it had its answer, or will have none. */
const completedOf = ({ completedNs, lostNs }: CommandRecord): number => completedNs || lostNs || Infinity;

/** Whether it is told for the last time. */
const isLast = ({ publishedNs, lostNs }: CommandRecord): boolean => publishedNs > 0 || lostNs > 0;

/** "transfer_to_host_2d res:7 ctx:0 width:64 …": the words of the command log's filter, and every field. */
function searchText({ id, type, flags, response, fields, contextName, writes }: CommandRecord): string {
  const words = [type, `id:${id}`, ...flags, response];
  if (contextName !== "") words.push(`ctx:${contextName}`);
  for (const { resource } of writes) words.push(`res:${resource}`);
  for (const [name, value] of Object.entries(fields)) words.push(`${shortNames[name] ?? name}:${value}`);
  if (response.startsWith("ERR_")) words.push("errors");
  if (flags.includes("FENCE")) words.push("fenced");
  return ` ${words.join(" ").toLowerCase()} `;
}

const shortNames: Readonly<Record<string, string>> = {
  ...{ contextId: "ctx", resourceId: "res", scanoutId: "scanout", fenceId: "fence" },
};

/** Keeps what the feed has told, bounded, and sorts it into lanes. */
export class Lanes {
  private readonly lanes = new Map<string, Lane>();
  private readonly commands = new Map<string, CommandRecord>();
  private readonly begun = new Map<string, PictureRecord>();
  private readonly pictures = new Set<string>();
  /** Of each queue, the last command that was taken. */
  private readonly running = new Map<string, { id: string; takenNs: number; runs: boolean }>();
  /** Grows with each change, so that a painter knows whether there is something new. */
  version = 0;

  /** In the order in which they are drawn. */
  list(): Lane[] {
    const some = [...this.lanes.values()].filter(({ spans }) => spans.length > 0);
    return some.toSorted((a, b) => rank(a.id) - rank(b.id) || (a.id < b.id ? -1 : 1));
  }

  command(id: string): CommandRecord | undefined {
    return this.commands.get(id);
  }

  /** One that went on when it was told of is told of again when it has ended. */
  addCommand(command: CommandRecord): void {
    const known = this.commands.get(command.id);
    if (known !== undefined && (isLast(known) || !isLast(command))) return;
    if (!this.canRun(command)) return;
    if (known !== undefined) this.forget(command.id);
    this.commands.set(command.id, command);
    if (this.commands.size > commandsMax) this.commands.delete(this.commands.keys().next().value!);
    const span = spanOf(command);
    this.add(command.queue, span);
    if (command.parkedNs === 0) return;
    const context = Number(command.fields["contextId"] ?? 0);
    const name = command.waitsFor === 0 ? `answer of ${command.type}` : `fence ${command.waitsFor}`;
    const startNs = command.parkedNs;
    const endNs = Math.max(completedOf(command), startNs);
    const parts: Part[] = [{ kind: "fence", startNs, endNs }];
    const lane = context === 0 ? "fences" : `context ${context}`;
    const title = context === 0 ? lane : `context ${contextText(command)}`;
    this.add(lane, { ...span, name, startNs, endNs, parts }, title);
  }

  /** One that is known already, as the history has what the feed has told, is left out. */
  addPicture(picture: PictureRecord): void {
    const { ns, what, scanout, sink, command } = picture;
    if (what === "known") return;
    const key = `${what} ${scanout} ${sink} ${ns}`;
    if (this.pictures.has(key)) return;
    this.pictures.add(key);
    if (this.pictures.size > spansMax) this.pictures.delete(this.pictures.values().next().value!);
    if (what === "frame-begun") {
      this.begun.set(`${sink} ${scanout}`, picture);
      return;
    }
    const isFrame = what === "frame-shown";
    const begun = isFrame ? (this.begun.get(`${sink} ${scanout}`) ?? picture) : picture;
    if (isFrame) this.begun.delete(`${sink} ${scanout}`);
    const parts: Part[] = isFrame ? [{ kind: "frame", startNs: begun.ns, endNs: ns }] : [];
    this.add(isFrame ? `sink ${sink}` : "display", {
      ...{ name: isFrame ? `frame of scanout ${scanout}` : `${what} of scanout ${scanout}` },
      ...{ startNs: begun.ns, endNs: ns, parts, isError: false, command, picture: begun },
      text: ` ${what} scanout:${scanout} res:${picture.resource} ${sink} id:${command} `.toLowerCase(),
    });
  }

  /** First and last moment that there is something of, null where there is nothing. */
  range(): { startNs: number; endNs: number } | null {
    let [startNs, endNs] = [Infinity, 0];
    for (const { spans } of this.lanes.values()) {
      startNs = Math.min(startNs, spans[0]?.startNs ?? Infinity);
      for (const span of spans.slice(-64)) {
        endNs = Math.max(endNs, Number.isFinite(span.endNs) ? span.endNs : span.startNs);
      }
    }
    return endNs === 0 ? null : { startNs, endNs };
  }

  /**
   * A queue runs one command at a time: what seems to go on though the next was taken has ended, and the record of that
   * was dropped.
   */
  private canRun(command: CommandRecord): boolean {
    const { id, queue, takenNs, parkedNs } = command;
    const last = this.running.get(queue);
    const runs = !isOver(command) && parkedNs === 0;
    if (last !== undefined && takenNs < last.takenNs) return !runs;
    if (last?.runs === true && last.id !== id) this.forget(last.id);
    this.running.set(queue, { id, takenNs, runs });
    return true;
  }

  private dropContexts(except: string): void {
    const contexts = [...this.lanes.values()].filter(({ id }) => id.startsWith("context") && id !== except);
    if (contexts.length < contextLanesMax) return;
    const last = ({ spans }: Lane): number => spans.at(-1)?.startNs ?? 0;
    this.lanes.delete(contexts.reduce((oldest, one) => (last(one) < last(oldest) ? one : oldest)).id);
  }

  clear(): void {
    this.running.clear();
    this.lanes.clear();
    this.commands.clear();
    this.begun.clear();
    this.pictures.clear();
    this.version++;
  }

  private forget(command: string): void {
    for (const lane of this.lanes.values()) {
      lane.spans = lane.spans.filter((span) => span.command !== command || span.picture !== null);
    }
  }

  private add(id: string, span: Span, title = id): void {
    let lane = this.lanes.get(id);
    if (lane === undefined) {
      this.lanes.set(id, (lane = { id, title, spans: [] }));
      if (id.startsWith("context")) this.dropContexts(id);
    }
    lane.title = title;
    const { spans } = lane;
    let at = spans.length;
    while (at > 0 && spans[at - 1]!.startNs > span.startNs) at--;
    if (at === spans.length) spans.push(span);
    else spans.splice(at, 0, span);
    // In steps, since each moves all that is kept.
    if (spans.length > spansMax + 1024) spans.splice(0, spans.length - spansMax);
    this.version++;
  }
}

const order = ["ctrl-queue", "cursor-queue", "fences", "context", "display", "sink"];

function rank(lane: string): number {
  const at = order.findIndex((prefix) => lane.startsWith(prefix));
  return at < 0 ? order.length : at;
}
