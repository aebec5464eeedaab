// The micro benchmarks: parts of the hot path, measured by mitata in a process of their own.

import { join } from "node:path";
import type { MicroResult } from "../report/run-report.ts";
import { number, table } from "../report/table.ts";

/** Runs and prints those whose name matches. Throws when one of them does. */
export async function runMicro(filter: RegExp, signal: AbortSignal): Promise<MicroResult[]> {
  const child = Bun.spawn([process.execPath, join(import.meta.dir, "main.ts"), filter.source], {
    stdin: "ignore",
    stdout: "pipe",
    stderr: "inherit",
    signal,
  });
  const output = await child.stdout.text();
  const code = await child.exited;
  signal.throwIfAborted();
  if (code !== 0) throw new Error(`the micro benchmarks ended with code ${code}`);
  const results = JSON.parse(output) as MicroResult[];
  const rows = results.map(({ group, name, min, median, p99 }, index) => [
    group === results[index - 1]?.group ? "" : group,
    name,
    ...[min, median, p99].map(number),
  ]);
  if (rows.length > 0) {
    console.log(`\nMicro benchmarks, ns\n${table([["", "", "min", "median", "p99"], ...rows], "  ", 2)}`);
  }
  return results;
}
