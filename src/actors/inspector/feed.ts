// What the inspector tells whoever looks: the records of each topic of its feed, and what a page may say. docs/inspector.md
// explains them. All times are nanoseconds of CLOCK_MONOTONIC; 0 is "not yet" or "never".
import type { Crashed } from "./crashed.ts";
import type { FieldValue } from "../../transport/wire/virtio-gpu/decode.ts";
import type { Written } from "../command-filter.ts";
import type { LoadRecord } from "./load-feed.ts";
import type { MessageField } from "./message-reader.ts";
import type { Inventory } from "./inventory-feed.ts";
import type { Cursors, ScreenRecord } from "./screen-feed.ts";

export type { Written } from "../command-filter.ts";
export type { ContextRecord, FenceRecord, Inventory, ResourceRecord } from "./inventory-feed.ts";
export { stuckMs } from "./inventory-feed.ts";

/** Names of actors: "supervisor", or a worker's. */
export type Named = string;

export const topics = [
  "actors",
  "messages",
  "commands",
  "transitions",
  "pictures",
  "resources",
  "latency",
  "load",
  "cursors",
  "screen",
  "break",
] as const;
export type Topic = (typeof topics)[number];

/**
 * What a page sends, as JSON text. A filter is as /api/commands takes it. A break is its connection's: another one takes its
 * place, and it goes with the connection. Whoever looks may step and continue.
 */
export type PageRequest =
  | { type: "subscribe"; topic: Topic; filter?: string }
  | { type: "unsubscribe"; topic: Topic }
  | { type: "break"; filter: string }
  | { type: "clear" }
  | { type: "step"; count: number }
  | { type: "continue" };

/** One message of the feed: all that is new of every topic that the page has subscribed to. msgpackr packs it. */
export interface Batch {
  /** Counts the batches of this connection; what is missing was dropped. */
  sequence: number;
  /** When it was made. */
  ns: number;
  /** Batches that this connection was too slow for, so far. */
  droppedBatches: number;
  /** Records that the taps had no room for, of all actors, since the start. */
  droppedRecords: number;
  actors?: ActorRecord[];
  messages?: MessageRecord[];
  commands?: CommandRecord[];
  /** Commands of this batch beyond as many as one may have: they are in /api/commands. */
  commandsFolded?: number;
  transitions?: TransitionRecord[];
  pictures?: PictureRecord[];
  resources?: Inventory;
  latency?: LatencyRecord[];
  load?: LoadRecord;
  screen?: ScreenRecord[];
  cursors?: Cursors;
  break?: BreakRecord;
  /** Why a request of the page makes no sense. */
  error?: string;
}

/** An actor: four times a second. */
export interface ActorRecord extends Crashed {
  name: Named;
  /** Of the actor machine: "running", "restarting", … */
  state: string;
  /** Messages on their way to it, by sender. */
  mailbox: Record<Named, number>;
  /** Messages that it has taken so far, by sender, modulo 2^32. */
  taken: Record<Named, number>;
  /** Its thread, as the kernel numbers it; 0 where it was not there yet. */
  thread: number;
  /** Part of the time since the last record that it was awake, 0 to 1; of those in an event loop, as {@link processor}. */
  busy: number;
  /** Part of that time that its thread had a processor. */
  processor: number;
  /** How often it was woken so far, modulo 2^32; 0 of those in an event loop. */
  naps: number;
  counters: Record<string, number>;
  droppedRecords: number;
  /** It is no actor but works with the device from another process, and has told its state and counters: all else is 0. */
  isOutside: boolean;
}

export interface MessageRecord {
  from: Named;
  to: Named;
  /** Counts the messages of this pair, modulo 2^32. */
  number: number;
  name: string;
  sentNs: number;
  /** 0 where it was not taken within this batch: "received" tells when. */
  receivedNs: number;
  fields: MessageField[];
  /** "queue:number" of the command that had it sent, or "". */
  command: string;
}

export interface CommandRecord {
  /** "queue:number", which every other record names it by. */
  id: string;
  queue: Named;
  /** Its name, such as RESOURCE_FLUSH. */
  type: string;
  flags: string[];
  fields: Record<string, FieldValue>;
  /** What the guest has called its context: the process, on Linux. "" where there is none, or its making was not seen. */
  contextName: string;
  /** Bytes of the request, and its first 96. */
  bytes: number;
  request: Uint8Array;
  response: string;
  responseBytes: number;
  /** The kick that woke the queue for it; 0 where that was awake. */
  kickNs: number;
  takenNs: number;
  /** When it was put off, as by a fence: it ran until then. */
  parkedNs: number;
  completedNs: number;
  /** When the guest could see its answer, and whether it was interrupted for that. */
  publishedNs: number;
  isInterrupted: boolean;
  /** When its process died before the guest could see an answer: whoever came after that has seen to it. */
  lostNs: number;
  /** The renderer's fences that were made for it, and the one that it waited for (0: none). */
  fences: number[];
  waitsFor: number;
  /** States that it has changed, and what was refused it. */
  moves: Move[];
  /** Where its stream may have written. */
  writes: Written[];
}

export interface Move {
  machine: string;
  id: number;
  event: string;
  from: string;
  /** The state after, or the virtio error of a refusal. */
  to: string;
  isRefused: boolean;
}

export interface TransitionRecord extends Move {
  ns: number;
  actor: Named;
  /** "queue:number", or "". */
  command: string;
}

/** The display is told of a scanout, or was of all of it, a sink begins a frame of it, the sink's other side has the frame. */
export interface PictureRecord {
  ns: number;
  what: "view" | "damage" | "nothing" | "known" | "frame-begun" | "frame-shown";
  scanout: number;
  surface: number;
  /** Of what the display is told. */
  resource: number;
  x: number;
  y: number;
  width: number;
  height: number;
  /** The last command that is seen in it, "" where that is not known. */
  command: string;
  /** Of frames. */
  sink: string;
  /** The message that tells the display, or told it what is known; a frame shows all up to it. */
  message: number;
}

/** Of one queue and command type, since the start: once a second. */
export interface LatencyRecord {
  queue: Named;
  type: string;
  count: number;
  errors: number;
  bytes: number;
  /** Of each four buckets an octave from 1 ns on, how many took so long: bucket b is from 2^(b/4) ns on. */
  buckets: number[];
  /** From its taking to its answer; quantiles are good to 4 %. */
  p50Ns: number;
  p99Ns: number;
  maxNs: number;
}

/** Where the ctrl queue is to stop, and where it has: when that changes, and once a second. */
export interface BreakRecord {
  /** "armed": it runs, and there are breaks. */
  state: "running" | "armed" | "paused";
  /** The filters of all breaks. */
  breaks: string[];
  /** How often it has come to rest, by a break or after a step. */
  stops: number;
  /** Commands that a step has yet to let run. */
  steps: number;
  /** Of a pause: before a command, by an answer, for a fence that is out, or after a step. */
  why: "before" | "answer" | "wait" | "step";
  /** The filters of the breaks that hold it: when none of their connections is left, it goes on. */
  heldBy: string[];
  /** Since when it is paused. */
  sinceNs: number;
  /** The command that runs next, all of its times 0; null where none is there. Its request is told up to 4096 bytes. */
  next: CommandRecord | null;
  /** What that touches, as it is before. */
  touches: Touch[];
  /** Commands that wait behind it. */
  behind: number;
  /** The command by whose answer, or for whose fence, it stopped; `parkedNs` says since when one waits. */
  cause: CommandRecord | null;
}

export interface Touch {
  kind: "resource" | "context" | "scanout";
  id: number;
  /** What becomes of it: "is freed". */
  how: string;
  /** "absent" where there is none yet; of scanouts "on" or "off". */
  state: string;
  /** A resource's size and format, a context's name (the guest's: escape it), what a scanout shows. */
  what: string;
}
