// What a process holds, as /proc tells.

import { readdirSync, readFileSync } from "node:fs";

const pageBytes = 4096;

export interface ProcessUsage {
  residentBytes: number;
  fds: number;
  /** Lines of /proc/PID/maps. */
  mappings: number;
  /** Those of memory that can be shared: memfds, dma-bufs, devices. */
  sharedMappings: number;
}

const nothing: ProcessUsage = { residentBytes: 0, fds: 0, mappings: 0, sharedMappings: 0 };

/** What the processes hold together. Throws where one has ended. */
export function usageOf(pids: readonly number[]): ProcessUsage {
  const total = { ...nothing };
  for (const pid of pids) {
    const maps = readFileSync(`/proc/${pid}/maps`, "latin1");
    total.residentBytes += Number(readFileSync(`/proc/${pid}/statm`, "latin1").split(" ")[1]) * pageBytes;
    total.fds += readdirSync(`/proc/${pid}/fd`).length;
    total.mappings += maps.match(/\n/g)?.length ?? 0;
    total.sharedMappings += maps.match(/ \/(?:memfd:|dmabuf|dev\/(?!zero))/g)?.length ?? 0;
  }
  return total;
}
