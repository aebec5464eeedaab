// The command lines of scripts: what they print when asked for help, and how they end at a mistake.

import { basename } from "node:path";
import type { parseArgs, ParseArgsConfig } from "node:util";
import { readArguments, UsageError } from "../../src/config-arguments.ts";

const exitUsage = 2;
const askedFor = { help: { type: "boolean", short: "h" } } as const;

/** As `parseArgs` of node:util, with `--help`, which prints `help` and ends the script. So does a mistake, with code 2. */
export function readCommandLine<Config extends ParseArgsConfig>(
  help: string,
  config: Config,
): ReturnType<typeof parseArgs<Config>> {
  try {
    const whole = { ...config, options: { ...config.options, ...askedFor } };
    const { values, ...rest } = readArguments<ParseArgsConfig>(whole);
    const { help: wantsHelp, ...given } = values;
    if (wantsHelp !== true) return { values: given, ...rest } as ReturnType<typeof parseArgs<Config>>;
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    refuse(error.message);
  }
  console.log(help);
  process.exit();
}

/** Ends the script with a sentence on what is wrong. */
export function refuse(reason: string, code = exitUsage): never {
  const advice = code === exitUsage ? ". See --help." : "";
  console.error(`${basename(Bun.main, ".ts")}: ${reason}${advice}`);
  process.exit(code);
}
