// Runs workloads against each back-end in turn, A B A B, every time in front of a fresh server.

import { bound } from "../../lab/bound-child.ts";
import { join } from "node:path";
import type { ServerProcess } from "../../lab/vmm/server-process.ts";
import { InspectorPage } from "../../lab/browser/inspector-page.ts";
import { type Result, resultsOf } from "../report/results.ts";
import { summarise, type Summary } from "../report/statistics.ts";
import { type Backend, start } from "./backends.ts";
import { createFenceClock } from "./fence-clock.ts";
import { type Figure, parseFigures } from "./figure.ts";
import type { Job } from "./job.ts";
import { type Placement, placement } from "./scheduling.ts";
import type { Budget } from "./stage.ts";
import type { GuestWorkload, Workload } from "./workload.ts";

export interface SystemOptions {
  rounds: number;
  budget: Budget;
  /** Ends the run early; whatever was started is stopped. */
  signal: AbortSignal;
  progress: (workload: Workload, round: number, backend: Backend) => void;
}

export interface Failure {
  workload: string;
  backend: string;
  reason: string;
}

export interface WorkloadReport {
  results: Result[];
  failures: Failure[];
}

/** Commands a second that the driver can send at most; see ceiling.ts. */
export async function measureCeiling(signal: AbortSignal): Promise<Summary> {
  const driver = Bun.spawn(bound([process.execPath, join(import.meta.dir, "ceiling.ts")]), { signal });
  const rates = await driver.stdout.text();
  signal.throwIfAborted();
  return summarise(JSON.parse(rates) as number[]);
}

/** Longer than any workload takes. */
const driverLimitMs = 120_000;

export async function runWorkload(
  workload: Workload,
  backends: readonly Backend[],
  options: SystemOptions,
): Promise<WorkloadReport> {
  const rounds = new Map<string, Figure[][]>(backends.map(({ name }) => [name, []]));
  const failures: Failure[] = [];
  for (let round = 0; round < options.rounds; round++) {
    for (const backend of backends) {
      if (failures.some((failure) => failure.backend === backend.name)) continue;
      options.signal.throwIfAborted();
      options.progress(workload, round, backend);
      try {
        rounds.get(backend.name)!.push(await measure(workload, backend, options));
      } catch (error) {
        // One back-end's failure, whatever it is, is a row of the report: the others are measured all the same.
        options.signal.throwIfAborted();
        failures.push({ workload: workload.name, backend: backend.name, reason: (error as Error).message });
      }
    }
  }
  return { results: resultsOf(workload.name, rounds, options.rounds), failures };
}

async function measure(workload: Workload, backend: Backend, options: SystemOptions): Promise<Figure[]> {
  if (workload.kind === "server") return await workload.measure(backend, options.budget);
  const clock = workload.timesFences === true ? createFenceClock() : null;
  const server = await start(backend, workload.renderer, clock?.env, [
    ...(workload.isUnpaced ? backend.unpaced : []),
    ...(workload.needsVulkan ? backend.vulkan : []),
  ]);
  let page: InspectorPage | null = null;
  try {
    if (backend.view !== undefined) page = await InspectorPage.open(server, backend.view);
    return await drive(workload, backend, server, clock?.path ?? null, options);
  } finally {
    await page?.close();
    await server.stop();
    clock?.remove();
  }
}

/** Runs a workload in a driver's process of its own, in front of `server`. */
export async function drive(
  workload: GuestWorkload,
  backend: Backend,
  server: ServerProcess,
  clockPath: string | null,
  { budget, signal }: Pick<SystemOptions, "budget" | "signal">,
): Promise<Figure[]> {
  const cpus = workload.pinned ? placement() : null;
  const job: Job = {
    workload: workload.name,
    socketPath: server.socketPath,
    serverPid: server.pid,
    cpus,
    budget,
    clockPath,
    displayFeatures: backend.displayFeatures,
  };
  const awake = cpus === null ? [] : keepAwake(cpus);
  const command = [process.execPath, join(import.meta.dir, "driver.ts"), JSON.stringify(job)];
  const driver = Bun.spawn(bound(command), {
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
    timeout: driverLimitMs,
    killSignal: "SIGKILL",
    signal,
  });
  try {
    const [output, errors] = await Promise.all([driver.stdout.text(), driver.stderr.text()]);
    if ((await driver.exited) === 0) return parseFigures(output) as Figure[];
    const ended = server.exitCode === null ? "" : `, the server ended with code ${server.exitCode}`;
    const why = errors.trim() || `no result within ${driverLimitMs / 1000} s`;
    throw new Error([`${why}${ended}`, ...server.log().trim().split("\n").slice(-3)].join("\n"));
  } finally {
    for (const process of awake) process.kill("SIGKILL");
    await Promise.all(awake.map((process) => process.exited));
  }
}

function keepAwake({ driver, server }: Placement): Bun.Subprocess[] {
  return [...driver, ...server].map((cpu) =>
    Bun.spawn(bound([process.execPath, join(import.meta.dir, "keep-awake.ts"), String(cpu)]), {
      stdio: ["ignore", "ignore", "ignore"],
    }),
  );
}
