// This process's open descriptors, for tests that must not lose any.

import { readdirSync, readlinkSync } from "node:fs";
import { libc } from "../../src/ffi/libc.ts";

const F_GETFD = 1;

/** How many descriptors are open. */
export function openFds(): number {
  // Reading the directory opens one.
  return readdirSync("/proc/self/fd").length - 1;
}

export function isOpen(fd: number): boolean {
  return libc.fcntl(fd, F_GETFD, 0) >= 0;
}

/** What a descriptor is, such as "anon_inode:[eventfd]". */
export function kindOf(fd: number): string {
  return readlinkSync(`/proc/self/fd/${fd}`);
}

/** The counter of an eventfd, which becomes zero; 0 when nobody wrote it. */
export function readEventfd(fd: number): number {
  const value = new BigUint64Array(1);
  return libc.read(fd, value, 8) === 8 ? Number(value[0]) : 0;
}
