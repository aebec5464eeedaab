// Counts calls into the C library: every system call of Fencepost's own code is one.

import { libc } from "../../src/ffi/libc.ts";

type Table = Record<string, (...args: unknown[]) => unknown>;

/** Calls by name while `work` runs. */
export function countCalls(work: () => void): Record<string, number> {
  const table = libc as unknown as Table;
  const originals = { ...table };
  const counts: Record<string, number> = {};
  for (const [name, call] of Object.entries(originals)) {
    table[name] = (...args) => {
      counts[name] = (counts[name] ?? 0) + 1;
      return call(...args);
    };
  }
  try {
    work();
  } finally {
    Object.assign(table, originals);
  }
  return counts;
}
