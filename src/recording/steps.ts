// A recording as what a guest did: each command with what it read, what it showed and how it was answered.

import type { Entry } from "../transport/wire/record/entries.ts";
import { RecordingError } from "../transport/wire/record/recording-error.ts";
import { Command, Response } from "../transport/wire/virtio-gpu/protocol.ts";

export interface CommandStep {
  readonly kind: "step";
  /** How many commands come before it. */
  readonly index: number;
  readonly command: Entry<"command">;
  /** What was read of guest memory for it. */
  readonly bytes: Entry<"bytes">[];
  /** What it showed. */
  readonly frames: Entry<"frame">[];
  /** Null where the guest got its answer later than the queue took its next command, or never. */
  answer: Entry<"answer"> | null;
}

/** Entries that stand alone; an answer among them is one that came late. */
export type Step = CommandStep | Exclude<Entry, { kind: "command" | "bytes" | "frame" }>;

/** Commands that may wait for one of the cursor queue to be whole, and for one of the ctrl queue, which may take long. */
const waitingMax = [256 * 1024, 256] as const;
/** Bytes that commands have with them meanwhile. */
const bytesMax = 512 * 1024 * 1024;

/** Of each queue the command that is not whole. */
type Open = [CommandStep | null, CommandStep | null];

/**
 * `entries` in steps, in the order in which commands were taken; null among them says that none is there yet, and is passed on. Throws
 * a {@link RecordingError} where one has no bounds.
 */
export function stepsOf(entries: Iterable<Entry>): Generator<Step>;
export function stepsOf(entries: Iterable<Entry | null>): Generator<Step | null>;
export function* stepsOf(entries: Iterable<Entry | null>): Generator<Step | null> {
  const open: Open = [null, null];
  const waiting: Step[] = [];
  let [bytes, commands] = [0, 0];
  let isGivenUp = false;
  for (const entry of entries) {
    if (entry === null) {
      yield entry;
      continue;
    }
    bytes += entry.body.length;
    switch (entry.kind) {
      case "command": {
        const step = stepFrom(entry, commands++);
        open[entry.queue as 0 | 1] = step;
        waiting.push(step);
        if (entry.queue === 0) isGivenUp = false;
        break;
      }
      case "bytes":
        if (isGivenUp) throw endless(entry);
        // Whoever begins in the middle of a session may find what belongs to a command before.
        open[0]?.bytes.push(entry);
        break;
      case "frame":
        open[0]?.frames.push(entry);
        break;
      case "answer": {
        const queue = entry.queue as 0 | 1;
        const step = open[queue] ?? null;
        if (step === null || step.command.id !== entry.id) waiting.push(entry);
        else {
          step.answer = entry;
          open[queue] = null;
        }
        break;
      }
      default:
        open[queueOf(entry)] = null;
        waiting.push(entry);
    }
    isGivenUp ||= letGo(waiting, bytes, open, entry);
    const held = waiting.findIndex((one) => one === open[0] || one === open[1]);
    if (held === 0) continue;
    const whole = waiting.splice(0, held < 0 ? waiting.length : held);
    bytes = waiting.reduce((sum, one) => sum + bytesOf(one), 0);
    yield* whole;
  }
  yield* waiting;
}

/** Lets go of a command for which too much waits. Returns whether more may come that belongs to it. */
function letGo(waiting: readonly Step[], bytes: number, open: Open, last: Entry): boolean {
  const isTooMuch = bytes > bytesMax;
  if (waiting[0] === open[1] && (isTooMuch || waiting.length > waitingMax[1])) {
    // What is left of it is an answer.
    open[1] = null;
    return false;
  }
  if (isTooMuch) throw endless(last);
  if (waiting.length <= waitingMax[0]) return false;
  open[0] = null;
  return true;
}

const endless = ({ number }: Entry): RecordingError =>
  new RecordingError(`entry ${number} goes on with a command without end`);

function bytesOf(step: Step): number {
  if (step.kind !== "step") return step.body.length;
  return step.bytes.reduce((sum, { body }) => sum + body.length, step.command.body.length);
}

function stepFrom(command: Entry<"command">, index: number): CommandStep {
  return { kind: "step", index, command, bytes: [], frames: [], answer: null };
}

/** The queue whose command is over where there is this entry: the other's may go on around it. */
function queueOf(entry: Entry): 0 | 1 {
  if (entry.kind === "cursor") return 1;
  return (entry.kind === "reset" || entry.kind === "ring") && entry.queue === 1 ? 1 : 0;
}

/** Whether the device did it. What it answers late it has done, or is about to. */
export const isAccepted = ({ answer }: CommandStep): boolean =>
  answer === null || answer.type < Response.ERR_UNSPEC;

/** Whether it may have changed something: what ended within its transfer, as memory was gone, is refused. */
export const hasEffect = (step: CommandStep): boolean => isAccepted(step) || step.bytes.length > 0;

/** The command's number of the protocol. */
export function typeOf({ command: { body } }: CommandStep): number {
  return body.length < 4 ? 0 : new DataView(body.buffer, body.byteOffset).getUint32(0, true);
}

/** The name of a command by its number. */
export function commandName(type: number): string {
  return names.get(type) ?? `command 0x${type.toString(16)}`;
}

const names: ReadonlyMap<number, string> = new Map(
  Object.entries(Command).map(([name, number]) => [number, name]),
);
