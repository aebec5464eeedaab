// The file descriptors that storage may take of this process.

import { readFileSync } from "node:fs";

/** Descriptors that a guest's resources leave to the rest of the process. */
const reserved = 256;
const max = openFilesMax() - reserved;
let used = 0;

export const hasDescriptor = (): boolean => used < max;

/** Counts one more. Throws when none is left. */
export function takeDescriptor(): void {
  if (!hasDescriptor()) throw new Error("no file descriptors are left for resources");
  used++;
}

export function giveDescriptor(): void {
  used--;
}

/** The soft RLIMIT_NOFILE of this process. */
function openFilesMax(): number {
  const limit = /^Max open files\s+(\d+)/m.exec(readFileSync("/proc/self/limits", "utf8"));
  return limit === null ? 1024 : Number(limit[1]);
}
