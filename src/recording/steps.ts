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

/** Commands that may wait for one of the other queue to be whole, and bytes that one may have read. */
const waitingMax = 256;
const bytesMax = 512 * 1024 * 1024;

/** `entries` in steps, in the order in which commands were taken. Throws a {@link RecordingError} where one has no bounds. */
export function* stepsOf(entries: Iterable<Entry>): Generator<Step> {
  const open: [CommandStep | null, CommandStep | null] = [null, null];
  let waiting: Step[] = [];
  let bytes = 0;
  let commands = 0;
  for (const entry of entries) {
    switch (entry.kind) {
      case "command": {
        const step = stepFrom(entry, commands++);
        open[entry.queue as 0 | 1] = step;
        waiting.push(step);
        if (entry.queue === 0) bytes = 0;
        break;
      }
      case "bytes":
        // Whoever begins in the middle of a session may find what belongs to a command before.
        if (open[0] === null) break;
        open[0].bytes.push(entry);
        bytes += entry.body.length;
        if (bytes > bytesMax) {
          throw new RecordingError(`entry ${entry.number} goes on with a command without end`);
        }
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
    if (waiting.length > waitingMax) open[0] = open[1] = null;
    const held = waiting.findIndex((one) => one === open[0] || one === open[1]);
    if (held === 0) continue;
    const whole = held < 0 ? waiting : waiting.slice(0, held);
    waiting = held < 0 ? [] : waiting.slice(held);
    yield* whole;
  }
  yield* waiting;
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
