// What the process takes of the host, as the kernel counts it.

import { readdirSync, readFileSync } from "node:fs";

export interface ProcessFacts {
  /** Memory in use: its own, and what it shares with others, guest memory and surfaces among it. */
  ownBytes: number;
  sharedBytes: number;
  descriptors: number;
}

export function processFacts(): ProcessFacts {
  const status = readFileSync("/proc/self/status", "latin1");
  const bytesOf = (name: string): number =>
    1024 * Number(new RegExp(`^${name}:\\s*(\\d+) kB`, "m").exec(status)?.[1] ?? 0);
  return {
    ownBytes: bytesOf("RssAnon"),
    sharedBytes: bytesOf("RssFile") + bytesOf("RssShmem"),
    // The one that reads the directory is no more.
    descriptors: readdirSync("/proc/self/fd").length - 1,
  };
}

/** Nanoseconds that a thread has had a processor; 0 where it is gone, or the kernel does not count. */
export function processorNs(thread: number): number {
  try {
    return Number(readFileSync(`/proc/self/task/${thread}/schedstat`, "latin1").split(" ")[0]);
  } catch (error) {
    if (!(error instanceof Error && "code" in error)) throw error;
    return 0;
  }
}
