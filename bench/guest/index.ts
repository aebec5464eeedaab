// `bun bench --guest`: a real Linux guest in QEMU, with each GPU in turn, one boot a GPU and round.

import { missingParts } from "../../lab/qemu/cache.ts";
import { resultsOf } from "../report/results.ts";
import type { RunReport } from "../report/run-report.ts";
import { summaryTable, workloadTable } from "../report/table.ts";
import { type Backend, BackendError } from "../system/backends.ts";
import type { Budget } from "../system/stage.ts";
import { othersMetric } from "./figures.ts";
import type { GuestLoad } from "./load.ts";
import { Rounds, takesPart } from "./rounds.ts";
import type { GuestBackend } from "./session.ts";

const budgets: Record<"full" | "quick", Budget> = {
  full: { warmMs: 700, measureMs: 3_000, windowMs: 0 },
  quick: { warmMs: 300, measureMs: 1_000, windowMs: 0 },
};

interface GuestRunOptions {
  rounds: number;
  quick: boolean;
  noPeer: boolean;
}

/** QEMU's own device, for which no back-end is needed. */
const inProcess: GuestBackend = { name: "in-process", about: "QEMU's own virtio-gpu-pci", backend: null };

/** Runs and prints; adds to `report` as it goes. */
export async function runGuests(
  loads: readonly GuestLoad[],
  compared: readonly Backend[],
  options: GuestRunOptions,
  report: RunReport,
  signal: AbortSignal,
): Promise<void> {
  const missing = missingParts();
  if (missing.length > 0) throw new BackendError(`${missing.join(", ")} is missing: run ./setup.sh`);
  const backends = [
    ...compared.map((backend) => ({ name: backend.name, about: backend.about, backend })),
    ...(options.noPeer ? [] : [inProcess]),
  ];
  for (const { name, about } of backends) console.log(`${name.padEnd(12)} ${about}`);
  if (backends.includes(inProcess) && loads.some((load) => !takesPart(inProcess, load))) {
    console.log("QEMU's own device has no part in loads of GL: it wants a render node for these.");
  }
  const rounds = new Rounds(loads, backends, budgets[options.quick ? "quick" : "full"], signal);
  for (let round = 1; round <= options.rounds; round++) {
    for (const backend of backends)
      await rounds.run(backend, (what) =>
        progress(`round ${round} of ${options.rounds}  ${backend.name}  ${what}`),
      );
  }
  progress("");
  print(loads, rounds, options.rounds, report);
  if (report.guest.length === 0) return;
  warnOfOthers(report);
  const names = backends
    .map(({ name }) => name)
    .filter((name) => report.guest.some(({ backends: measured }) => name in measured));
  const compare = report.guest.filter(({ better }) => better !== "neither");
  console.log(`\nMedians\n${summaryTable(compare, names)}`);
}

function print(loads: readonly GuestLoad[], rounds: Rounds, count: number, report: RunReport): void {
  for (const [index, load] of loads.entries()) {
    console.log(`\n[${index + 1}/${loads.length}] ${load.name}: ${load.title}`);
    const results = resultsOf(load.name, rounds.of(load), count);
    if (results.length > 0) console.log(workloadTable(results));
    for (const { workload, backend, reason } of rounds.failures)
      if (workload === load.name) console.log(`  ${backend} failed: ${reason.replaceAll("\n", "\n    ")}`);
    report.guest.push(...results);
  }
  report.failures.push(...rounds.failures);
}

/** More than this, and emulated CPUs wait for each other; see docs/performance.md. */
const othersMaxPercent = 10;

function warnOfOthers({ guest }: RunReport): void {
  const shares = guest
    .filter(({ metric }) => metric === othersMetric)
    .flatMap(({ backends }) =>
      Object.values(backends).flatMap(({ rounds }) => rounds.map(({ median }) => median)),
    );
  const most = Math.max(0, ...shares);
  if (most <= othersMaxPercent) return;
  console.log(
    `\nOthers took up to ${Math.round(most)} % of the processors: free the machine, or compare nothing.`,
  );
}

/** A line that is written over, on terminals only. */
function progress(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}`);
}
