// The descriptors that a guest's pictures may take of this process. Most are mapped too: here, by the
// renderer and by the display.

import { readFileSync } from "node:fs";
import { StorageUnavailable } from "./tier.ts";

/** What a guest's resources leave to the rest of the process. */
const reserved = { descriptors: 512, mappings: 8192 };
const max = Math.min(
  openFilesMax() - reserved.descriptors,
  Math.floor((mappingsMax() - reserved.mappings) / 3),
);
let used = 0;

export const descriptorsUsed = (): number => used;

export const hasDescriptor = (): boolean => used < max;

/** Counts one more. Throws {@link StorageUnavailable} when none is left. */
export function takeDescriptor(): void {
  if (!hasDescriptor()) throw new StorageUnavailable("no file descriptors are left for resources");
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

/** The kernel's limit on one process's mappings. */
function mappingsMax(): number {
  return Number(readFileSync("/proc/sys/vm/max_map_count", "utf8"));
}
