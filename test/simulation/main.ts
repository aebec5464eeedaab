// bun run simulate: runs seeds, and says of each that fails how to have it again.

import { setImmediate } from "node:timers/promises";
import { bound } from "../../lab/bound-child.ts";
import { untilStopped } from "../../lab/stopping.ts";
import { onStopSignals } from "../../src/transport/os/stop-signals.ts";
import { UsageError } from "../../src/config-arguments.ts";
import { addFailure, addFailures, type Failures, linesOf, noFailures } from "./failures.ts";
import { helpText, parseSimulationOptions, type SimulationOptions } from "./options.ts";
import { shrink } from "./shrink.ts";
import { type Outcome, simulate } from "./simulate.ts";

const exitFound = 1;
const exitUsage = 2;
/** Seeds that one process runs: whoever dies in a simulation leaves what a process would have taken along, such as mappings. */
const partSeedsMax = 1_000;

/** What is told of many seeds. */
const counts = [
  "steps",
  "commands",
  "turns",
  "kills",
  "deaths",
  "guests",
  "moves",
  "renewals",
  "pictures",
  "pixels",
  "windows",
  "lent",
  "recorded",
] as const;
type Sums = Record<(typeof counts)[number], number> & { seeds: number; failures: Failures };

const none = (): Sums => ({
  ...(Object.fromEntries(counts.map((name) => [name, 0])) as Record<(typeof counts)[number], number>),
  seeds: 0,
  failures: noFailures(),
});

function add(sums: Sums, more: Record<(typeof counts)[number], number>): void {
  for (const name of counts) sums[name] += more[name];
}

async function runSeeds(from: number, count: number, signal: AbortSignal): Promise<Sums> {
  const sums = none();
  for (let seed = from; seed < from + count && !signal.aborted; seed++) {
    const outcome = simulate({ seed });
    sums.seeds++;
    add(sums, outcome);
    if (outcome.failure !== "") addFailure(sums.failures, () => smaller(seed));
    // A signal comes between two turns of this thread's own loop, of which a seed is one.
    await setImmediate();
  }
  return sums;
}

function smaller(seed: number): string {
  const { steps, failure } = shrink({ seed });
  return `${failure.split("\n", 1)[0]!}: ${repeatOf(seed, steps)}`;
}

const repeatOf = (seed: number, steps: readonly number[]): string =>
  `bun run simulate --seed ${seed} --steps ${steps.join(",") || "''"}`;

/** So many processes at a time, each with a part of the seeds. */
async function runAll({ from, seeds, jobs }: SimulationOptions, signal: AbortSignal): Promise<Sums> {
  const share = Math.min(partSeedsMax, Math.ceil(seeds / jobs));
  const sums = none();
  let next = from;
  const job = async (): Promise<void> => {
    while (next < from + seeds && !signal.aborted) {
      const first = next;
      next = Math.min(first + share, from + seeds);
      const part = await runPart(first, next - first, signal);
      sums.seeds += part.seeds;
      add(sums, part);
      addFailures(sums.failures, part.failures);
      if (process.stderr.isTTY && next < from + seeds)
        console.error(`${sums.seeds} of ${seeds} seeds, ${sums.failures.count} failures`);
    }
  };
  await Promise.all(Array.from({ length: jobs }, job));
  return sums;
}

async function runPart(from: number, seeds: number, signal: AbortSignal): Promise<Sums> {
  const args = ["--part", "--from", `${from}`, "--seeds", `${seeds}`];
  const child = Bun.spawn(bound([process.execPath, import.meta.path, ...args]), {
    stdout: "pipe",
    stderr: "inherit",
  });
  signal.addEventListener("abort", () => child.kill("SIGINT"));
  const text = await new Response(child.stdout).text();
  if ((await child.exited) === 0) return JSON.parse(text) as Sums;
  // It had not begun to listen for signals.
  if (signal.aborted) return none();
  const again = `bun run simulate --from ${from} --seeds ${seeds} --jobs 1`;
  const sums = none();
  addFailure(sums.failures, () => `the seeds from ${from} on ended their process: ${again}`);
  return sums;
}

function one(seed: number, { steps: only, log }: SimulationOptions): string {
  const outcome: Outcome = simulate(only === null ? { seed } : { seed, only });
  if (log) for (const line of outcome.log) console.log(line);
  if (outcome.failure === "" || only !== null) return outcome.failure;
  const { steps, failure } = shrink({ seed });
  return `${failure}\nwith fewer steps: ${repeatOf(seed, steps)}`;
}

function report(sums: Sums, ms: number): void {
  for (const line of linesOf(sums.failures)) console.log(line);
  const { seeds, steps, commands, turns, kills, deaths, guests, renewals, moves } = sums;
  const { pictures, pixels, windows, lent, recorded } = sums;
  console.log(
    `${seeds} seeds in ${(ms / 1000).toFixed(1)} s: ${steps} steps, ${commands} commands, ${turns} turns, ` +
      `${kills} kills (${deaths} of the ctrl queue), ${guests} VMMs gone (${renewals} with a process of its guest), ${moves} that went on elsewhere, ${pictures} screens of ${pixels} drawn pixels, ${windows} windows and ${lent} loans compared, ${recorded} recorded entries read, ${sums.failures.count} failures`,
  );
}

async function main(args: readonly string[]): Promise<number> {
  let options: SimulationOptions;
  try {
    options = parseSimulationOptions(args);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    console.error(`simulate: ${error.message}. See --help.`);
    return exitUsage;
  }
  if (options.help) {
    console.log(helpText);
    return 0;
  }
  if (options.seed === null) return await many(options);
  const failure = one(options.seed, options);
  console.log(failure === "" ? "nothing found" : failure);
  return failure === "" ? 0 : exitFound;
}

/** A part is told by the terminal, and by who started it, who decides when to wait no more. */
function partStopped(): AbortSignal {
  const stopping = new AbortController();
  onStopSignals(
    () => stopping.abort(),
    () => {},
  );
  return stopping.signal;
}

async function many(options: SimulationOptions): Promise<number> {
  const { from, seeds, jobs, part } = options;
  const signal = part ? partStopped() : untilStopped("simulate");
  const began = performance.now();
  const isHere = part || (jobs === 1 && seeds <= partSeedsMax);
  const sums = isHere ? await runSeeds(from, seeds, signal) : await runAll(options, signal);
  if (part) console.log(JSON.stringify(sums));
  else report(sums, performance.now() - began);
  return part || sums.failures.count === 0 ? 0 : exitFound;
}

process.exitCode = await main(process.argv.slice(2));
