// The micro benchmarks' process: runs those whose name matches and prints their results as JSON.
//
//   bun bench/micro/main.ts REGEX

import { run, type trial } from "mitata";
import type { MicroResult } from "../report/run-report.ts";
import { dieWithParent } from "../system/scheduling.ts";
import "./ring.ts";
import "./loop.ts";
import "./tap.ts";
import "./decode.ts";
import "./lifecycle.ts";
import "./memory.ts";
import "./mailbox.ts";
import "./ffi.ts";
import "./records.ts";

dieWithParent();
// The types leave out which group a benchmark is in.
const { benchmarks, layout } = (await run({
  filter: new RegExp(process.argv[2]!),
  format: "quiet",
  throw: true,
})) as unknown as { benchmarks: (trial & { group: number })[]; layout: { name: string | null }[] };

const results = benchmarks.flatMap(({ alias, group, runs }) =>
  runs.flatMap(({ stats }): MicroResult[] =>
    stats === undefined
      ? []
      : [
          {
            group: layout[group]?.name ?? "",
            name: alias,
            min: stats.min,
            median: stats.p50,
            p99: stats.p99,
          },
        ],
  ),
);
await Bun.write(Bun.stdout, JSON.stringify(results));
process.exit(0);
