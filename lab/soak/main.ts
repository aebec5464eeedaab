// `bun run soak`.

import { UsageError } from "../../src/config-arguments.ts";
import { untilStopped } from "../stopping.ts";
import { type CommandLine, helpText, parseSoakOptions } from "./options.ts";
import { phases } from "./phases.ts";
import { bounds, headings, lineOf } from "./report.ts";
import { soak } from "./soak.ts";

const exitWrong = 1;
const exitUsage = 2;

process.exit(await main(process.argv.slice(2)));

async function main(args: readonly string[]): Promise<number> {
  let options: CommandLine;
  try {
    options = parseSoakOptions(args);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    console.error(`soak: ${error.message}. See --help.`);
    return exitUsage;
  }
  if (options.help) {
    console.log(helpText);
    return 0;
  }
  return await run(options);
}

async function run({ inspect, ...options }: CommandLine): Promise<number> {
  const signal = untilStopped("soak");
  console.log(`seed ${options.seed}; bounds: ${bounds}\n${headings}`);
  const wrong = await soak({
    ...options,
    flags: inspect ? ["--inspect"] : [],
    phases,
    signal,
    told: (look) => console.log(lineOf(look)),
  });
  console.log(wrong ?? "all was as it must be");
  return wrong === null ? 0 : exitWrong;
}
