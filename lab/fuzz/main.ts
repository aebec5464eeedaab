// `bun run fuzz`.

import { UsageError } from "../../src/config-arguments.ts";
import { untilStopped } from "../stopping.ts";
import { type Tally, fuzz } from "./campaign.ts";
import { checkFolder, Findings } from "./findings.ts";
import { type FuzzOptions, helpText, parseFuzzOptions } from "./options.ts";
import { ProgressLine } from "./progress-line.ts";
import { headings, lineOf } from "./report.ts";
import { outcomeOf } from "./shrinking.ts";
import { targets } from "./targets.ts";

const exitFound = 1;
const exitUsage = 2;
const minuteMs = 60_000;

process.exit(await main(process.argv.slice(2)));

async function main(args: readonly string[]): Promise<number> {
  let options: FuzzOptions;
  try {
    options = parseFuzzOptions(args);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    console.error(`fuzz: ${error.message}. See --help.`);
    return exitUsage;
  }
  if (options.help) console.log(helpText);
  else if (options.list) for (const { name, about } of targets) console.log(`${name.padEnd(16)} ${about}`);
  else return options.range === null ? await run(options) : await repeat(options);
  return 0;
}

/** Inputs that were found once. */
async function repeat({ targets: [target], seed, range }: FuzzOptions): Promise<number> {
  const { illness, deaths } = await outcomeOf(target!, { seed, ...range! });
  for (const death of deaths) console.log(death);
  console.log(illness === null ? "the server stays well" : illness.what);
  return illness === null ? 0 : exitFound;
}

async function run({ targets: chosen, seed, minutes, inputsMax, save }: FuzzOptions): Promise<number> {
  try {
    checkFolder(save);
  } catch (error) {
    // Whatever is in the way of it, nothing would be kept.
    console.error(`fuzz: --save ${save}: ${(error as Error).message}`);
    return exitUsage;
  }
  const signal = untilStopped("fuzz");
  const progress = new ProgressLine();
  const findings = new Findings(save, {
    goesOn: () => !signal.aborted,
    told: (target, shrinking) => progress.shrinks(target, shrinking),
  });
  const milliseconds = (minutes * minuteMs) / chosen.length;
  console.log(`seed ${seed}\n${headings}`);
  const tallies: Tally[] = [];
  for (const target of chosen) {
    if (signal.aborted) break;
    const told = (tally: Tally): void => progress.tell(tally);
    const tally = await fuzz(target, {
      seed,
      milliseconds,
      inputsMax,
      findings,
      told,
      signal,
    });
    progress.end();
    console.log(lineOf(tally));
    for (const { what, repeat: again } of tally.found) console.log(`  found: ${what}\n  ${again}`);
    for (const { cause, repeat: again } of tally.kept) console.log(`  renderer: ${cause}\n  ${again}`);
    tallies.push(tally);
  }
  const sum = (of: (tally: Tally) => number): number =>
    tallies.reduce((total, tally) => total + of(tally), 0);
  const found = sum((tally) => tally.found.length);
  console.log(
    `${sum(({ inputs }) => inputs)} inputs, ${found} found, ${sum(({ deaths }) => deaths)} deaths of the renderer`,
  );
  return found > 0 ? exitFound : 0;
}
