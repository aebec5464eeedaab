// `bun bench`: what the parts of the hot path cost, and how the server compares with others.

import { runMicro } from "./micro/index.ts";
import { UsageError } from "../src/config-arguments.ts";
import { runGuests } from "./guest/index.ts";
import { guestLoads } from "./guest/load.ts";
import { type BenchOptions, help, parseOptions } from "./options.ts";
import { comparison, emptyReport, readReport } from "./report/run-report.ts";
import { BackendError } from "./system/backends.ts";
import { chooseBackends, runSystem } from "./system/index.ts";
import { workloads } from "./system/workloads/index.ts";

const exit = { done: 0, failed: 1, usage: 2, interrupted: 130 } as const;

process.exit(await main(process.argv.slice(2)));

async function main(argv: readonly string[]): Promise<number> {
  try {
    const options = parseOptions(argv);
    if (options.help) console.log(help);
    else if (options.list)
      for (const { name, title } of options.guest ? guestLoads : workloads)
        console.log(`${name.padEnd(40)} ${title}`);
    else return await bench(options);
    return exit.done;
  } catch (error) {
    if (!(error instanceof UsageError || error instanceof BackendError)) throw error;
    console.error(`bench: ${error.message}\nSee bun bench --help.`);
    return exit.usage;
  }
}

async function bench(options: BenchOptions): Promise<number> {
  const before = options.compare === undefined ? null : readReport(options.compare);
  const interrupted = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const)
    process.on(signal, () => interrupted.abort());
  const { backends, dispose } = chooseBackends(options);
  const report = emptyReport(backends, options.rounds, options.quick);
  try {
    const chosen = options.system ? workloads.filter(({ name }) => options.filter.test(name)) : [];
    if (chosen.length > 0) await runSystem(chosen, backends, options, report, interrupted.signal);
    const loads = options.guest ? guestLoads.filter(({ name }) => options.filter.test(name)) : [];
    if (loads.length > 0) await runGuests(loads, backends, options, report, interrupted.signal);
    if (options.micro) report.micro.push(...(await runMicro(options.filter, interrupted.signal)));
    if (chosen.length === 0 && loads.length === 0 && report.micro.length === 0) throw nothingMatches(options);
  } catch (error) {
    if (!interrupted.signal.aborted) throw error;
    console.error("\ninterrupted");
  } finally {
    dispose();
  }
  if (before !== null)
    console.log(`\nAgainst ${options.compare}, of ${before.date}\n${comparison(before, report)}`);
  if (options.json !== undefined) await Bun.write(options.json, `${JSON.stringify(report, null, 2)}\n`);
  if (interrupted.signal.aborted) return exit.interrupted;
  return report.failures.some(({ backend }) => backend === backends[0]!.name) ? exit.failed : exit.done;
}

function nothingMatches({ filter, system, micro, guest }: BenchOptions): UsageError {
  const kinds = [...(system || guest ? ["workload"] : []), ...(micro ? ["micro benchmark"] : [])];
  return new UsageError(`no ${kinds.join(" or ")} has a name like --filter ${filter.source}`);
}
