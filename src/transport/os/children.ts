// The processes that a thread has started.

import { readFileSync } from "node:fs";

/** Those that have not been waited for; null where the thread has just ended, or this kernel does not tell. */
export function childrenOf(pid: number | "self", thread: number | string): number[] | null {
  try {
    const list = readFileSync(`/proc/${pid}/task/${thread}/children`, "latin1");
    return list.split(" ").filter(Boolean).map(Number);
  } catch (error) {
    if (!(error instanceof Error && "code" in error)) throw error;
    return null;
  }
}
