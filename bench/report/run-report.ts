// A run as JSON: what ran, on what, and every figure.

import { readFileSync } from "node:fs";
import { availableParallelism, cpus, release } from "node:os";
import packageJson from "../../package.json";
import { UsageError } from "../../src/config-arguments.ts";
import { checkout } from "../system/backends.ts";
import { parseFigures } from "../system/figure.ts";
import type { Failure } from "../system/runner.ts";
import type { Result } from "./results.ts";
import type { Summary } from "./statistics.ts";
import { number, table } from "./table.ts";

/** A back-end as a report names it. */
export interface Compared {
  name: string;
  about: string;
}

export interface MicroResult {
  group: string;
  name: string;
  /** Nanoseconds of one iteration. */
  min: number;
  median: number;
  p99: number;
}

export interface RunReport {
  date: string;
  machine: Machine;
  versions: Record<string, string>;
  backends: Compared[];
  rounds: number;
  quick: boolean;
  micro: MicroResult[];
  /** Commands a second that the driver could send. */
  driverCeiling: Summary | null;
  system: Result[];
  guest: Result[];
  failures: Failure[];
}

interface Machine {
  cpu: string;
  cpus: number;
  kernel: string;
}

export function emptyReport(backends: readonly Compared[], rounds: number, quick: boolean): RunReport {
  return {
    date: new Date().toISOString(),
    machine: { cpu: cpus()[0]?.model ?? process.arch, cpus: availableParallelism(), kernel: release() },
    versions: { fencepost: packageJson.version, revision: revision(), bun: Bun.version },
    backends: backends.map(({ name, about }) => ({ name, about })),
    rounds,
    quick,
    micro: [],
    driverCeiling: null,
    system: [],
    guest: [],
    failures: [],
  };
}

export function readReport(path: string): RunReport {
  try {
    const report = parseFigures(readFileSync(path, "utf8")) as RunReport;
    // One of before there were guests has none.
    return { ...report, guest: report.guest ?? [] };
  } catch (error) {
    throw new UsageError(`--compare: ${(error as Error).message}`);
  }
}

/** Medians and ratios of two runs side by side, where both have them. */
export function comparison(before: RunReport, after: RunReport): string {
  const rows: string[][] = [["", "before", "after", "better by"]];
  for (const now of after.micro) {
    const then = before.micro.find(({ group, name }) => group === now.group && name === now.name);
    if (then !== undefined)
      rows.push([
        `${now.group}: ${now.name}, ns`,
        number(then.median),
        number(now.median),
        times(then.median / now.median),
      ]);
  }
  const earlier = [...before.system, ...before.guest];
  for (const now of [...after.system, ...after.guest]) {
    const then = earlier.find(({ workload, metric }) => workload === now.workload && metric === now.metric);
    if (then === undefined || now.better === "neither") continue;
    const name = `${now.workload}, ${now.metric}`;
    const subject = after.backends[0]!.name;
    const [old, young] = [then.backends[before.backends[0]!.name], now.backends[subject]];
    if (old !== undefined && young !== undefined) {
      const change = now.better === "more" ? young.median / old.median : old.median / young.median;
      rows.push([`${name}, ${now.unit}`, number(old.median), number(young.median), times(change)]);
    }
    for (const [other, ratio] of Object.entries(now.ratios)) {
      const was = then.ratios[other];
      if (was !== undefined)
        rows.push([
          `${name}, × ${other}`,
          number(was.median),
          number(ratio.median),
          times(ratio.median / was.median),
        ]);
    }
  }
  const same = JSON.stringify(before.machine) === JSON.stringify(after.machine);
  const warning = same ? "" : "\nThe two ran on different machines: compare the ratios only.";
  return `${table(rows)}${warning}`;
}

const times = (change: number): string => `${number(change)} ×`;

function revision(): string {
  const git = (...args: string[]) =>
    Bun.spawnSync(["git", ...args], { cwd: checkout })
      .stdout.toString()
      .trim();
  const changed = git("status", "--porcelain", "--", "src") === "" ? "" : " with changes";
  return `${git("rev-parse", "--short", "HEAD") || "unknown"}${changed}`;
}
