// Failing as a system call does, in the place of one.

import { toArrayBuffer } from "bun:ffi";
import { constants } from "node:os";
import { F_DUPFD_CLOEXEC, libc } from "../../src/ffi/libc.ts";

const word = new Int32Array(toArrayBuffer(libc.__errno_location()!, 0, 4));

/** Answers -1, with this thread's errno set. */
export function failWith(name: keyof typeof constants.errno): number {
  word[0] = constants.errno[name];
  return -1;
}

/** Runs `work` in a process that has no room for another descriptor of what it has open already. */
export function withoutDuplicates(work: () => void): void {
  const { fcntl } = libc;
  const refusing = (fd: number, command: number, argument: number): number =>
    command === F_DUPFD_CLOEXEC ? failWith("EMFILE") : fcntl(fd, command, argument);
  Object.assign(libc, { fcntl: refusing });
  try {
    work();
  } finally {
    Object.assign(libc, { fcntl });
  }
}
