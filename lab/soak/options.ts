// The soak's command line.

import { readArguments, UsageError } from "../../src/config-arguments.ts";
import { bounds } from "./report.ts";

export const helpText = `Keeps a real server under mixed load, good and bad: animations, 3D, blobs, pointers, mistakes, the fuzzer's visitors, reboots,
other front-ends, pauses, plugged memory, recordings, screenshots, and deaths of its child and its actors. All pixels and
answers are held against what they must be. Every minute a line tells what was done, and what the server and its child hold.

Usage: bun run soak [flags]

  --minutes N       how long (default: 60)
  --seed N          what decides the order and the load (default: by the clock, and told)
  --renderer NAME   the server's: virgl or software (default: virgl)
  --inspect         with the inspector, and deaths of it
  -h, --help        this text

Drift is against the fifth minute, or a quarter of a shorter run; of memory the least of five looks counts. More than this fails: ${bounds}.
Ctrl-C ends it with the last line. Exit codes: 0 all was well, 1 something was not, 2 a mistake in the command line.`;

export interface CommandLine {
  readonly minutes: number;
  readonly seed: number;
  readonly renderer: string;
  readonly inspect: boolean;
  readonly help: boolean;
}

/** Throws {@link UsageError}. */
export function parseSoakOptions(args: readonly string[]): CommandLine {
  const { values } = readArguments({
    args: [...args],
    options: {
      minutes: { type: "string", default: "60" },
      seed: { type: "string" },
      renderer: { type: "string", default: "virgl" },
      inspect: { type: "boolean", default: false },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  const { seed, renderer, inspect, help } = values;
  const minutes = Number(values.minutes);
  if (!(minutes > 0 && Number.isFinite(minutes)))
    throw new UsageError(`--minutes ${values.minutes}: want a number above 0`);
  if (seed !== undefined && !/^\d{1,10}$/.test(seed))
    throw new UsageError(`--seed ${seed}: want a whole number`);
  if (!["virgl", "software"].includes(renderer))
    throw new UsageError(`--renderer ${renderer}: there are virgl and software`);
  return { minutes, seed: seed === undefined ? Date.now() % 2 ** 31 : Number(seed), renderer, inspect, help };
}
