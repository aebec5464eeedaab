// The bytes of a backing, wherever they are in guest memory, for tests that look or write there.

import { toArrayBuffer } from "bun:ffi";
import type { Backing } from "../../src/actors/gpu/renderer/backing.ts";
import { asPointer } from "../../src/ffi/libc.ts";

export interface BackingBytes {
  read(offset: number, length: number): Uint8Array;
  write(offset: number, bytes: Uint8Array): void;
}

/** Views of the pieces of a backing, all of which is guest memory: valid until the memory map changes. */
export function bytesOfBacking(backing: Backing): BackingBytes {
  const words = new Uint32Array(backing.countPieces() * 4);
  backing.writeIovecs(words);
  const pieces: Uint8Array[] = [];
  for (let at = 0; at < words.length; at += 4) {
    const address = words[at + 1]! * 2 ** 32 + words[at]!;
    pieces.push(new Uint8Array(toArrayBuffer(asPointer(address), 0, words[at + 2]!)));
  }
  const each = (offset: number, length: number, visit: (part: Uint8Array, done: number) => void): void => {
    let start = 0;
    for (const piece of pieces) {
      const from = Math.max(offset, start);
      const to = Math.min(offset + length, start + piece.length);
      if (from < to) visit(piece.subarray(from - start, to - start), from - offset);
      start += piece.length;
    }
  };
  return {
    read(offset, length) {
      const out = new Uint8Array(length);
      each(offset, length, (part, done) => out.set(part, done));
      return out;
    },
    write(offset, bytes) {
      each(offset, bytes.length, (part, done) => part.set(bytes.subarray(done, done + part.length)));
    },
  };
}
