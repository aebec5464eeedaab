// The commands of a virgl stream, one after another, as their headers tell them. Nothing is allocated, and nothing is
// known here of what commands mean: the guard, the inspector and a recorder walk alike.

import { EINVAL } from "../../../../ffi/libc.ts";

/** What is done with a command. */
export interface StreamVisitor {
  /**
   * `header` is the index of the command's header in `words`; its payload is the `length` words behind that, all of
   * which exist. `object` is the header's object type, which only commands about objects have. Returns 0 to go on, or
   * an errno that ends the walk.
   */
  visit(command: number, object: number, words: Uint32Array, header: number, length: number): number;
}

/** One for each command that a visitor wants to see, by the command's number. */
export type Wanted = Uint8Array;

const everyCommand: Wanted = new Uint8Array(256).fill(1);

/** Those of `commands`. */
export function wantedOf(commands: Iterable<number>): Wanted {
  const wanted = new Uint8Array(256);
  for (const command of commands) wanted[command] = 1;
  return wanted;
}

/**
 * Walks the `count` words of a stream from word `from` on, and visits those commands that are `wanted`. Returns 0, the
 * errno of the visit that ended it, or EINVAL where a command is longer than what is left.
 */
export function walkStream(
  words: Uint32Array,
  from: number,
  count: number,
  visitor: StreamVisitor,
  wanted: Wanted = everyCommand,
): number {
  const end = from + count;
  for (let at = from; at < end;) {
    const header = words[at]!;
    const length = header >>> 16;
    if (length >= end - at) return EINVAL;
    if (wanted[header & 0xff] !== 0) {
      const error = visitor.visit(header & 0xff, (header >>> 8) & 0xff, words, at, length);
      if (error !== 0) return error;
    }
    at += length + 1;
  }
  return 0;
}
