// The micro benchmarks: parts of the hot path in this process, measured by mitata.

import { run } from "mitata";
import type { MicroResult } from "../report/run-report.ts";
import "./ring.ts";
import "./lifecycle.ts";
import "./memory.ts";
import "./mailbox.ts";

/** Runs and prints those whose name matches. */
export async function runMicro(filter: RegExp): Promise<MicroResult[]> {
  const { benchmarks } = await run({ filter, format: { mitata: { name: "longest" } } });
  return benchmarks.flatMap(({ alias, runs }) =>
    runs.flatMap(({ stats }) =>
      stats === undefined ? [] : [{ name: alias, min: stats.min, median: stats.p50, p99: stats.p99 }],
    ),
  );
}
