// The simulation's command line.

import { availableParallelism } from "node:os";
import { readArguments, UsageError } from "../../src/config-arguments.ts";
import { stepsOfSeed } from "./simulate.ts";

export const helpText = `Usage: bun run simulate [--seeds N] [--from SEED] [--jobs N]
       bun run simulate --seed SEED [--steps LIST] [--log]

Runs the device with a guest, a VMM and its display in one thread, where a seed says what they do, in which order, and
what fails; a model says what has to come of it.

  --seeds N     how many seeds to run (default: 100)
  --from SEED   the first of them (default: 1)
  --jobs N      in so many processes (default: one a processor)
  --seed SEED   runs one seed, and finds fewer of its steps that fail where it does
  --steps LIST  only these of its ${stepsOfSeed} steps, such as 0,7,30
  --log         what the actors have logged
  -h, --help    this text

Of seeds that fail the first ten are told, and how many more there are. Ctrl-C ends it with what was found until then.
Exit codes: 0 nothing was found, 1 something was, 2 a mistake in the command line.`;

export interface SimulationOptions {
  readonly seeds: number;
  readonly from: number;
  readonly jobs: number;
  /** The only one to run, or null. */
  readonly seed: number | null;
  readonly steps: ReadonlySet<number> | null;
  readonly log: boolean;
  /** Of another simulation, which is told the sums as JSON. */
  readonly part: boolean;
  readonly help: boolean;
}

/** Throws {@link UsageError}. */
export function parseSimulationOptions(args: readonly string[]): SimulationOptions {
  const { values } = readArguments({
    args: [...args],
    options: {
      seeds: { type: "string" },
      from: { type: "string" },
      jobs: { type: "string" },
      seed: { type: "string" },
      steps: { type: "string" },
      log: { type: "boolean", default: false },
      part: { type: "boolean", default: false },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  const { seeds, from, jobs, seed, steps, log, part, help } = values;
  if (seed === undefined && (steps !== undefined || log))
    throw new UsageError("--steps and --log are of one --seed");
  if (seed !== undefined && [seeds, from, jobs].some((value) => value !== undefined))
    throw new UsageError("--seed runs one: it goes with none of --seeds, --from and --jobs");
  return {
    seeds: whole("seeds", seeds ?? "100", 1),
    from: whole("from", from ?? "1", 0),
    jobs: whole("jobs", jobs ?? `${availableParallelism()}`, 1),
    seed: seed === undefined ? null : whole("seed", seed, 0),
    steps: steps === undefined ? null : new Set(steps === "" ? [] : steps.split(",").map(stepOf)),
    log,
    part,
    help,
  };
}

function whole(flag: string, text: string, least: number): number {
  if (/^\d{1,10}$/.test(text) && Number(text) >= least) return Number(text);
  throw new UsageError(`--${flag} ${text}: want a whole number from ${least} on`);
}

function stepOf(text: string): number {
  if (/^\d{1,4}$/.test(text) && Number(text) < stepsOfSeed) return Number(text);
  throw new UsageError(`--steps: "${text}" is no step: there are 0 to ${stepsOfSeed - 1}`);
}
