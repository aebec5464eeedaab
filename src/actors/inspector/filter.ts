// Which commands somebody wants to see, as they type it: `ctx:3 res:7 type:transfer queue:ctrl errors slow:>1ms`. All
// words must hold.

import { Refusal } from "../../transport/os/errors.ts";
import type { CommandRecord } from "./feed.ts";

export type Filter = (command: CommandRecord) => boolean;

const units: Readonly<Record<string, number>> = { ns: 1, us: 1e3, µs: 1e3, ms: 1e6, s: 1e9 };
const wordsMax = 16;

/** Throws a {@link Refusal} that names the word that makes no sense. */
export function parseFilter(text: string): Filter {
  const words = text.split(/\s+/).filter((word) => word !== "");
  if (words.length > wordsMax) throw new Refusal(`want ${wordsMax} words at most`);
  const all = words.map(parseWord);
  return (command) => all.every((one) => one(command));
}

function parseWord(word: string): Filter {
  if (word === "errors") return ({ response }) => response.startsWith("ERR_");
  if (word === "fenced") return ({ flags }) => flags.includes("FENCE");
  const [, key = "", value = ""] = /^(\w+):(.+)$/.exec(word) ?? [];
  switch (key) {
    case "ctx":
      return fieldIs("contextId", word, value);
    case "res":
      return fieldIs("resourceId", word, value);
    case "scanout":
      return fieldIs("scanoutId", word, value);
    case "fence":
      return ({ fields }) => String(fields["fenceId"]) === value;
    case "at":
      return covers(word, value);
    case "type":
      return ({ type }) => type.toLowerCase().includes(value.toLowerCase());
    case "queue":
      return ({ queue }) => queue.startsWith(value);
    case "id":
      return ({ id }) => id === value;
    case "slow": {
      const [, count = "", unit = ""] = /^>?(\d+(?:\.\d+)?)(ns|us|µs|ms|s)$/.exec(value) ?? [];
      if (count === "") throw new Refusal(`${word}: want a time, as in slow:>1ms`);
      const limitNs = Number(count) * units[unit]!;
      return ({ takenNs, completedNs }) => completedNs - takenNs > limitNs;
    }
    default:
      throw new Refusal(
        `${word}: want ctx:N, res:N, scanout:N, at:X,Y, fence:N, type:TEXT, queue:NAME, id:ID, slow:>TIME, errors or fenced`,
      );
  }
}

function fieldIs(field: string, word: string, value: string): Filter {
  if (!/^\d+$/.test(value)) throw new Refusal(`${word}: want a number`);
  const wanted = Number(value);
  return ({ fields }) => fields[field] === wanted;
}

/** Whether a command names an area with that pixel in it. */
function covers(word: string, value: string): Filter {
  const [, column = "", row = ""] = /^(\d+),(\d+)$/.exec(value) ?? [];
  if (column === "") throw new Refusal(`${word}: want a pixel, as in at:120,30`);
  const isWithin = (at: number, from: unknown, length: unknown): boolean =>
    typeof from === "number" && typeof length === "number" && at >= from && at < from + length;
  return ({ fields: { x, y, width, height } }) =>
    isWithin(Number(column), x, width) && isWithin(Number(row), y, height);
}
