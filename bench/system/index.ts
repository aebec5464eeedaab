// The system benchmarks of one run: which workloads, which back-ends, what is printed.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { BenchOptions } from "../options.ts";
import { number, summaryTable, workloadTable } from "../report/table.ts";
import type { RunReport } from "../report/run-report.ts";
import { type Backend, checkOut, defaultPeer, fencepost, peer } from "./backends.ts";
import { measureCeiling, runWorkload } from "./runner.ts";
import { placement } from "./scheduling.ts";
import type { Budget } from "./stage.ts";
import type { Workload } from "./workload.ts";
import { inspectorViews } from "../../lab/browser/inspector-page.ts";

const budgets: Record<"full" | "quick", Budget> = {
  full: { warmMs: 1_000, measureMs: 2_000, windowMs: 40 },
  quick: { warmMs: 400, measureMs: 600, windowMs: 20 },
};

/** The server of this checkout, and those to compare it with. `dispose` removes what was unpacked for them. */
export function chooseBackends(options: BenchOptions): { backends: Backend[]; dispose: () => void } {
  const { serverArgs: args, baseline, rev, variants } = options;
  const backends = [fencepost("fencepost", args.join(" ") || "this checkout", args)];
  let dispose = (): void => undefined;
  if (baseline !== undefined) backends.push(fencepost("baseline", baseline, args, baseline));
  for (const { name, args: own, env } of variants) {
    const about = [...Object.entries(env).map(([key, value]) => `${key}=${value}`), ...own].join(" ");
    const backend = fencepost(name, about, [...args, ...own]);
    backends.push({ ...backend, env: { software: env, virgl: env } });
  }
  if (options.inspect) backends.push(...inspected(args));
  if (options.record) {
    const { compared, remove } = recording(args);
    backends.push(...(options.inspect ? compared.slice(1) : compared));
    dispose = remove;
  }
  const path = options.peer ?? (backends.length === 1 && rev === undefined ? defaultPeer() : null);
  if (path !== null && !options.noPeer) backends.push(peer(path));
  if (rev !== undefined) {
    const other = checkOut(rev);
    const disposeBefore = dispose;
    dispose = () => {
      disposeBefore();
      other.remove();
    };
    backends.push(fencepost("revision", rev, args, other.directory));
  }
  return { backends, dispose };
}

/** This checkout's server that is looked at: by the inspector alone, and by its page in Chromium, a view each. */
function inspected(args: readonly string[]): Backend[] {
  const tapped = [...args, "--inspect"];
  const tap = fencepost("tap", "--inspect, and no page", tapped);
  return [
    tap,
    ...inspectorViews.map((view) => ({ ...fencepost(view, `--inspect, ${view} in Chromium`, tapped), view })),
  ];
}

/** This checkout's server with its taps on, and while it records, to a file that `remove` deletes. */
function recording(args: readonly string[]): { compared: Backend[]; remove: () => void } {
  const directory = mkdtempSync(join(tmpdir(), "fencepost-recording-"));
  // Of a guest that is faster than any disk the whole is wanted: it waits.
  const record = ["--record", join(directory, "recording"), "--record-wait-ms", "1000"];
  return {
    compared: [
      fencepost("tap", "--inspect, and no page", [...args, "--inspect"]),
      fencepost("recording", "--record, and a guest that waits for the disk", [...args, ...record]),
    ],
    remove: () => rmSync(directory, { recursive: true, force: true }),
  };
}

/** Runs and prints; adds to `report` as it goes. */
export async function runSystem(
  workloads: readonly Workload[],
  backends: readonly Backend[],
  options: BenchOptions,
  report: RunReport,
  signal: AbortSignal,
): Promise<void> {
  const names = backends.map(({ name }) => name);
  for (const { name, about } of backends) console.log(`${name.padEnd(12)} ${about}`);
  if (backends.length === 1 && !options.noPeer) {
    console.log("Nothing to compare with: scripts/fetch-peer.sh gets QEMU's back-end.");
  }
  const ceiling = await measureCeiling(signal);
  report.driverCeiling = ceiling;
  console.log(`The driver sends ${number(ceiling.median)} commands a second to a device that costs nothing.`);
  for (const [index, workload] of workloads.entries()) {
    const place = `[${index + 1}/${workloads.length}]`;
    const { results, failures } = await runWorkload(workload, backends, {
      rounds: options.rounds,
      budget: budgets[options.quick ? "quick" : "full"],
      signal,
      progress: (_, round, backend) =>
        progress(`${place} ${workload.name}  round ${round + 1}  ${backend.name}`),
    });
    progress("");
    console.log(`\n${place} ${workload.name}: ${workload.title}${placementText(workload)}`);
    if (results.length > 0) console.log(workloadTable(results));
    for (const { backend, reason } of failures)
      console.log(`  ${backend} failed: ${reason.replaceAll("\n", "\n    ")}`);
    report.system.push(...results);
    report.failures.push(...failures);
  }
  if (report.system.length > 0)
    console.log(
      `\nMedians\n${summaryTable(
        report.system.filter(({ better }) => better !== "neither"),
        names,
      )}`,
    );
}

function placementText(workload: Workload): string {
  const cpus = workload.kind === "guest" && workload.pinned ? placement() : null;
  return cpus === null ? "" : ` (driver on CPU ${cpus.driver}, server on ${cpus.server})`;
}

/** A line that is written over, on terminals only. */
function progress(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}`);
}
