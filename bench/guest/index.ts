// `bun bench --guest`: a real Linux guest in QEMU, with each GPU in turn, one boot a GPU and round.

import { missingParts } from "../../lab/qemu/cache.ts";
import { resultsOf } from "../report/results.ts";
import type { RunReport } from "../report/run-report.ts";
import { summaryTable, workloadTable } from "../report/table.ts";
import { type Backend, BackendError } from "../system/backends.ts";
import type { Figure } from "../system/figure.ts";
import type { Budget } from "../system/stage.ts";
import { figuresOf } from "./figures.ts";
import type { GuestLoad } from "./load.ts";
import { type GuestBackend, GuestSession } from "./session.ts";

const budgets: Record<"full" | "quick", Budget> = {
  full: { warmMs: 700, measureMs: 3_000, windowMs: 0 },
  quick: { warmMs: 400, measureMs: 1_200, windowMs: 0 },
};

interface GuestRunOptions {
  rounds: number;
  quick: boolean;
  noPeer: boolean;
}

/** QEMU's own device, for which no back-end is needed. */
const inProcess: GuestBackend = { name: "in-process", about: "QEMU's own virtio-gpu-pci", backend: null };

/** Figures of all rounds: load, then back-end, then round. */
type Rounds = Map<GuestLoad, Map<string, Figure[][]>>;

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
  const rounds: Rounds = new Map(
    loads.map((load) => [load, new Map(backends.map(({ name }) => [name, []]))]),
  );
  const budget = budgets[options.quick ? "quick" : "full"];
  for (let round = 0; round < options.rounds; round++) {
    for (const backend of backends) {
      signal.throwIfAborted();
      progress(`round ${round + 1} of ${options.rounds}  ${backend.name} boots`);
      await runRound(loads, backend, budget, rounds, report, signal, (load, index) =>
        progress(
          `round ${round + 1} of ${options.rounds}  ${backend.name}  [${index + 1}/${loads.length}] ${load.name}`,
        ),
      );
    }
  }
  progress("");
  print(
    rounds,
    options,
    report,
    backends.map(({ name }) => name),
  );
}

async function runRound(
  loads: readonly GuestLoad[],
  backend: GuestBackend,
  budget: Budget,
  rounds: Rounds,
  report: RunReport,
  signal: AbortSignal,
  onLoad: (load: GuestLoad, index: number) => void,
): Promise<void> {
  const fail = (load: GuestLoad, error: unknown): void => {
    signal.throwIfAborted();
    report.failures.push({ workload: load.name, backend: backend.name, reason: (error as Error).message });
  };
  const failed = (load: GuestLoad): boolean =>
    report.failures.some(({ workload, backend: name }) => workload === load.name && name === backend.name);
  const left = loads.filter((load) => !failed(load));
  if (left.length === 0) return;
  let session: GuestSession;
  try {
    session = await GuestSession.start(backend, "software", "busybox", signal);
  } catch (error) {
    // Told in the report, as below.
    for (const load of left) fail(load, error);
    return;
  }
  try {
    for (const [index, load] of left.entries()) {
      onLoad(load, index);
      try {
        rounds
          .get(load)!
          .get(backend.name)!
          .push(figuresOf(load, await session.measure(load, budget)));
      } catch (error) {
        // Told in the report: the other loads and back-ends are measured all the same.
        fail(load, error);
      }
    }
  } finally {
    await session.stop();
  }
}

function print(rounds: Rounds, options: GuestRunOptions, report: RunReport, names: readonly string[]): void {
  for (const [index, [load, figures]] of [...rounds].entries()) {
    console.log(`\n[${index + 1}/${rounds.size}] ${load.name}: ${load.title}`);
    const results = resultsOf(load.name, figures, options.rounds);
    if (results.length > 0) console.log(workloadTable(results));
    for (const { backend, reason } of report.failures.filter(({ workload }) => workload === load.name))
      console.log(`  ${backend} failed: ${reason.replaceAll("\n", "\n    ")}`);
    report.guest.push(...results);
  }
  if (report.guest.length === 0) return;
  const shown = report.guest.filter(({ better }) => better !== "neither");
  console.log(`\nMedians\n${summaryTable(shown, names)}`);
}

/** A line that is written over, on terminals only. */
function progress(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}`);
}
