// Which commands somebody wants to see, or to stop at, as they type it: `ctx:3 res:7 type:transfer queue:ctrl errors
// slow:>1ms`. All words must hold.

import { Refusal } from "../transport/os/errors.ts";
import type { FieldValue } from "../transport/wire/virtio-gpu/decode.ts";

/** A command as a filter sees it, whether it is a record of one or its bytes. */
export interface Filterable {
  readonly queue: string;
  /** Counts the commands of its queue. */
  readonly number: number;
  readonly type: string;
  readonly isFenced: boolean;
  /** Of its answer. */
  readonly isError: boolean;
  /** From its taking to its answer; 0 while it has none. */
  readonly ranNs: number;
  /** How long it has waited for a fence; 0 where it waits for none. */
  readonly waitedNs: number;
  /** Of its context, "" where it is not known. */
  readonly contextName: string;
  /** Where its stream may have written; empty before it runs. */
  readonly writes: readonly Written[];
  /** A field by its name, undefined where it has none. */
  field(name: string): FieldValue | undefined;
}

/** A resource that a stream wrote to, 0 being others, too, and where: 0 wide where no pixel of its picture may have changed. */
export interface Written {
  resource: number;
  x: number;
  y: number;
  width: number;
  height: number;
}

/** When it shows whether a filter holds: before the command runs, by its answer, or while it waits for a fence. */
export type Moment = "before" | "answer" | "wait";

export interface CommandFilter {
  readonly moment: Moment;
  /** Makes no object: it is asked of every command. */
  holds(command: Filterable): boolean;
}

interface Word {
  readonly moment: Moment;
  holds(command: Filterable): boolean;
}

const units: Readonly<Record<string, number>> = { ns: 1, us: 1e3, µs: 1e3, ms: 1e6, s: 1e9 };
const wordsMax = 16;

/** Throws a {@link Refusal} that names the word that makes no sense. */
export function parseFilter(text: string): CommandFilter {
  const texts = text.split(/\s+/).filter((word) => word !== "");
  if (texts.length > wordsMax) throw new Refusal(`want ${wordsMax} words at most`);
  const words = texts.map(parseWord);
  const has = (moment: Moment): boolean => words.some((word) => word.moment === moment);
  return {
    moment: has("answer") ? "answer" : has("wait") ? "wait" : "before",
    holds(command) {
      for (let index = 0; index < words.length; index++) if (!words[index]!.holds(command)) return false;
      return true;
    },
  };
}

const before = (holds: Word["holds"]): Word => ({ moment: "before", holds });

function parseWord(word: string): Word {
  if (word === "errors") return { moment: "answer", holds: ({ isError }) => isError };
  if (word === "fenced") return before(({ isFenced }) => isFenced);
  const [, key = "", value = ""] = /^([\w-]+):(.+)$/.exec(word) ?? [];
  switch (key) {
    case "ctx":
      return /^\d+$/.test(value) ? fieldIs("contextId", word, value) : isNamed(value.toLowerCase());
    case "res":
      return touches(word, value);
    case "scanout":
      return fieldIs("scanoutId", word, value);
    case "fence": {
      const wanted = /^\d+$/.test(value) && Number(value) <= Number.MAX_SAFE_INTEGER ? Number(value) : value;
      return before((command) => command.field("fenceId") === wanted);
    }
    case "at":
      return covers(word, value);
    case "type":
      return nameHas(value.toUpperCase());
    case "queue":
      return before(({ queue }) => queue.startsWith(value));
    case "id": {
      const [queue, number] = value.split(":");
      return before((command) => command.number === Number(number) && command.queue === queue);
    }
    case "slow": {
      const limitNs = timeOf(word, value);
      return { moment: "answer", holds: ({ ranNs }) => ranNs > limitNs };
    }
    case "fence-age": {
      const limitNs = timeOf(word, value);
      return { moment: "wait", holds: ({ waitedNs }) => waitedNs > limitNs };
    }
    default:
      throw new Refusal(
        `${word}: want ctx:N or ctx:NAME, res:N, scanout:N, at:X,Y, fence:N, type:TEXT, queue:NAME, id:ID, slow:>TIME, fence-age:>TIME, errors or fenced`,
      );
  }
}

function timeOf(word: string, value: string): number {
  const [, count = "", unit = ""] = /^>?(\d+(?:\.\d+)?)(ns|us|µs|ms|s)$/.exec(value) ?? [];
  if (count === "") throw new Refusal(`${word}: want a time, as in ${word.split(":")[0]}:>1ms`);
  return Number(count) * units[unit]!;
}

function fieldIs(field: string, word: string, value: string): Word {
  if (!/^\d+$/.test(value)) throw new Refusal(`${word}: want a number`);
  const wanted = Number(value);
  return before((command) => command.field(field) === wanted);
}

/** Whether its context's name has `part` in it. */
const isNamed = (part: string): Word =>
  before(({ contextName }) => contextName !== "" && contextName.toLowerCase().includes(part));

/** Whether a command names a resource, or its stream may have written to it. */
function touches(word: string, value: string): Word {
  const names = fieldIs("resourceId", word, value);
  const wanted = Number(value);
  return before((command) => names.holds(command) || wrote(command.writes, wanted));
}

function wrote(writes: readonly Written[], resource: number): boolean {
  for (let index = 0; index < writes.length; index++) if (writes[index]!.resource === resource) return true;
  return false;
}

/** Whether the type's name has `part` in it. Types are few, and each is looked at once. */
function nameHas(part: string): Word {
  const known = new Map<string, boolean>();
  return before(({ type }) => {
    const answer = known.get(type);
    if (answer !== undefined) return answer;
    const has = type.toUpperCase().includes(part);
    // A guest can invent as many as it likes.
    if (known.size < 256) known.set(type, has);
    return has;
  });
}

/** Whether a command names an area with that pixel in it, or its stream may have written there. */
function covers(word: string, value: string): Word {
  const [, column = "", row = ""] = /^(\d+),(\d+)$/.exec(value) ?? [];
  if (column === "") throw new Refusal(`${word}: want a pixel, as in at:120,30`);
  const [x, y] = [Number(column), Number(row)];
  return before(
    (command) =>
      (isWithin(x, command.field("x"), command.field("width")) &&
        isWithin(y, command.field("y"), command.field("height"))) ||
      wroteAt(command.writes, x, y),
  );
}

function wroteAt(writes: readonly Written[], x: number, y: number): boolean {
  for (let index = 0; index < writes.length; index++) {
    const one = writes[index]!;
    if (isWithin(x, one.x, one.width) && isWithin(y, one.y, one.height)) return true;
  }
  return false;
}

const isWithin = (at: number, from: unknown, length: unknown): boolean =>
  typeof from === "number" && typeof length === "number" && at >= from && at < from + length;
