// Open descriptors: this process's, for tests that must not lose any, and those of others.

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

/** The descriptors of a process: the path of each in /proc, and what it is. One that is closed meanwhile is left out. */
export function filesOf(pid: number | "self"): { path: string; file: string }[] {
  const folder = `/proc/${pid}/fd`;
  return readdirSync(folder).flatMap((fd) => {
    const path = `${folder}/${fd}`;
    try {
      return [{ path, file: readlinkSync(path) }];
    } catch {
      return [];
    }
  });
}

/** The counter of an eventfd, which becomes zero; 0 when nobody wrote it. */
export function readEventfd(fd: number): number {
  const value = new BigUint64Array(1);
  return libc.read(fd, value, 8) === 8 ? Number(value[0]) : 0;
}
