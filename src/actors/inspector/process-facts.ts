// What the server takes of the host, the processes of its actors included, as the kernel counts it.

import { readdirSync, readFileSync } from "node:fs";
import { childrenOf } from "../../transport/os/children.ts";

export interface ProcessFacts {
  /** Memory in use: its own, and what it shares with others, guest memory and surfaces among it. */
  ownBytes: number;
  sharedBytes: number;
  descriptors: number;
}

export function processFacts(): ProcessFacts {
  const facts: ProcessFacts = { ownBytes: 0, sharedBytes: 0, descriptors: 0 };
  for (const one of ["self", ...children()]) orGone(() => addTo(facts, one));
  return facts;
}

function addTo(facts: ProcessFacts, one: string): void {
  const status = readFileSync(`/proc/${one}/status`, "latin1");
  const bytesOf = (name: string): number =>
    1024 * Number(new RegExp(`^${name}:\\s*(\\d+) kB`, "m").exec(status)?.[1] ?? 0);
  const open = readdirSync(`/proc/${one}/fd`).length;
  facts.ownBytes += bytesOf("RssAnon");
  facts.sharedBytes += bytesOf("RssFile") + bytesOf("RssShmem");
  // The one that reads the directory is no more.
  facts.descriptors += one === "self" ? open - 1 : open;
}

/** Processes that the main thread has started. */
const children = (): string[] => (childrenOf("self", process.pid) ?? []).map(String);

/** Nanoseconds that a thread has had a processor; 0 where it is gone, or the kernel does not count. */
export function processorNs(thread: number): number {
  // A thread of another process of the server's, too.
  const text = orGone(() => readFileSync(`/proc/${thread}/schedstat`, "latin1"));
  return Number((text ?? "0").split(" ")[0]);
}

/** What `read` returns; null where that is gone, or the kernel does not have it. */
function orGone<T>(read: () => T): T | null {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof Error && "code" in error)) throw error;
    return null;
  }
}
