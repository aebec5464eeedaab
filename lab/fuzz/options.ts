// The fuzzer's command line.

import { readArguments, UsageError } from "../../src/config-arguments.ts";
import type { Target } from "./target.ts";
import { targets } from "./targets.ts";

export const helpText = `Sends a real server what no peer should send, by each of its doors, and looks after each batch whether it is well:
it runs and answers, has crashed nowhere, holds no more than before, and shows another guest's picture right.

Usage: bun run fuzz [flags]

  --minutes N        how long, all targets together (default: 1)
  --inputs N         so many inputs of each target instead
  --inputs A-B       of one seed, inputs A to before B: what a finding says
  --seed N           of the first batch (default: by the clock, and told); the next have the next
  --target NAME      only this one; may be given more than once
  --save DIR         where findings go (default: fuzz)
  --list             the targets, and what an input is
  -h, --help         this text

A renderer that dies of a guest's stream is counted apart: it is contained by --isolation process. What was found is made
smaller behind its batch, for which the time is not up. Ctrl-C ends it with the last line.
Exit codes: 0 nothing was found, 1 something was, 2 a mistake in the command line.`;

export interface FuzzOptions {
  readonly targets: readonly Target[];
  readonly seed: number;
  readonly minutes: number;
  readonly inputsMax: number;
  /** Of one batch, where only a part of it is to be repeated. */
  readonly range: { readonly from: number; readonly to: number } | null;
  readonly save: string;
  readonly help: boolean;
  readonly list: boolean;
}

/** Throws {@link UsageError}. */
export function parseFuzzOptions(args: readonly string[]): FuzzOptions {
  const { values } = readArguments({
    args: [...args],
    options: {
      minutes: { type: "string" },
      inputs: { type: "string" },
      seed: { type: "string" },
      target: { type: "string", multiple: true },
      save: { type: "string", default: "fuzz" },
      list: { type: "boolean", default: false },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  const { minutes, inputs, save, list, help } = values;
  const [, from, to] = /^(\d{1,9})-(\d{1,9})$/.exec(inputs ?? "") ?? [];
  const range = from === undefined ? null : { from: Number(from), to: Number(to) };
  if (range !== null && range.from >= range.to) throw new UsageError(`--inputs ${inputs}: there are none`);
  const inputsMax = inputs === undefined || range !== null ? Infinity : whole("inputs", inputs, 1);
  const isTimed = inputs === undefined || minutes !== undefined;
  if (range !== null && (values.target?.length !== 1 || values.seed === undefined))
    throw new UsageError("--inputs A-B are those of one --target and one --seed");
  return {
    targets: values.target === undefined ? targets : values.target.map(targetOf),
    seed: values.seed === undefined ? Date.now() % 2 ** 31 : whole("seed", values.seed, 0),
    minutes: isTimed ? positive("minutes", minutes ?? "1") : Infinity,
    inputsMax,
    range,
    save,
    list,
    help,
  };
}

function targetOf(name: string): Target {
  const found = targets.find((target) => target.name === name);
  if (found !== undefined) return found;
  throw new UsageError(`--target ${name}: there are ${targets.map((target) => target.name).join(", ")}`);
}

function whole(flag: string, text: string, least: number): number {
  if (/^\d{1,10}$/.test(text) && Number(text) >= least) return Number(text);
  throw new UsageError(`--${flag} ${text}: want a whole number from ${least} on`);
}

function positive(flag: string, text: string): number {
  const number = Number(text);
  if (number > 0 && Number.isFinite(number)) return number;
  throw new UsageError(`--${flag} ${text}: want a number above 0`);
}
