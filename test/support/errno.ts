// Failing as a system call does, in the place of one.

import { toArrayBuffer } from "bun:ffi";
import { constants } from "node:os";
import { libc } from "../../src/ffi/libc.ts";

const word = new Int32Array(toArrayBuffer(libc.__errno_location()!, 0, 4));

/** Answers -1, with this thread's errno set. */
export function failWith(name: keyof typeof constants.errno): number {
  word[0] = constants.errno[name];
  return -1;
}
