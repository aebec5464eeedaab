// bun run simulate: runs seeds, and says of each that fails how to have it again.

import { availableParallelism } from "node:os";
import { parseArgs } from "node:util";
import { shrink } from "./shrink.ts";
import { type Outcome, simulate } from "./simulate.ts";

const help = `usage: bun run simulate [--seeds N] [--from SEED] [--jobs N]
       bun run simulate --seed SEED [--steps LIST] [--log]

Runs the device with a guest, a VMM and its display in one thread, where a seed says what they do, in which order, and
what fails; a model says what has to come of it.

  --seeds N     how many seeds to run (100)
  --from SEED   the first of them (1)
  --jobs N      in so many processes (one a processor)
  --seed SEED   runs one seed, and finds fewer of its steps that fail where it does
  --steps LIST  only these of its steps
  --log         what the actors have logged
  --help        this text`;

const { values } = parseArgs({
  options: {
    seeds: { type: "string", default: "100" },
    from: { type: "string", default: "1" },
    jobs: { type: "string", default: `${availableParallelism()}` },
    seed: { type: "string" },
    steps: { type: "string" },
    log: { type: "boolean", default: false },
    part: { type: "boolean", default: false },
    help: { type: "boolean", default: false },
  },
});

/** What is told of many seeds. */
const counts = [
  "steps",
  "commands",
  "turns",
  "kills",
  "deaths",
  "guests",
  "pictures",
  "pixels",
  "lent",
  "recorded",
] as const;
type Sums = Record<(typeof counts)[number], number> & { seeds: number; failures: string[] };

const none = (): Sums => ({
  seeds: 0,
  steps: 0,
  commands: 0,
  turns: 0,
  kills: 0,
  deaths: 0,
  guests: 0,
  pictures: 0,
  pixels: 0,
  lent: 0,
  recorded: 0,
  failures: [],
});

function runSeeds(from: number, count: number): Sums {
  const sums = none();
  for (let seed = from; seed < from + count; seed++) {
    const outcome = simulate({ seed });
    sums.seeds++;
    for (const name of counts) sums[name] += outcome[name];
    if (outcome.failure === "") continue;
    const { steps, failure } = shrink({ seed });
    sums.failures.push(`${firstLine(failure)}: bun run simulate --seed ${seed} --steps ${steps.join(",")}`);
  }
  return sums;
}

/** Each process has its share of the seeds. */
async function runAll(from: number, count: number, jobs: number): Promise<Sums> {
  const share = Math.ceil(count / jobs);
  const parts = Array.from({ length: Math.ceil(count / share) }, async (_, index): Promise<Sums> => {
    const first = from + index * share;
    const seeds = Math.min(share, from + count - first);
    const args = ["--part", "--from", `${first}`, "--seeds", `${seeds}`];
    const child = Bun.spawn([process.execPath, import.meta.path, ...args], {
      stdout: "pipe",
      stderr: "inherit",
    });
    const text = await new Response(child.stdout).text();
    if ((await child.exited) === 0) return JSON.parse(text) as Sums;
    return {
      ...none(),
      failures: [
        `the seeds from ${first} on ended their process: bun run simulate --from ${first} --seeds ${seeds} --jobs 1`,
      ],
    };
  });
  const sums = none();
  for (const part of await Promise.all(parts)) {
    sums.seeds += part.seeds;
    for (const name of counts) sums[name] += part[name];
    sums.failures.push(...part.failures);
  }
  return sums;
}

function one(seed: number): string {
  const only = values.steps === undefined ? {} : { only: new Set(values.steps.split(",").map(Number)) };
  const plan = { seed, ...only };
  const outcome: Outcome = simulate(plan);
  if (values.log) for (const line of outcome.log) console.log(line);
  if (outcome.failure === "" || values.steps !== undefined) return outcome.failure;
  const { steps, failure } = shrink(plan);
  return `${failure}\nwith fewer steps: bun run simulate --seed ${seed} --steps ${steps.join(",")}`;
}

const firstLine = (text: string): string => text.split("\n", 1)[0]!;

function report(sums: Sums, ms: number): void {
  for (const line of sums.failures) console.log(line);
  const { seeds, steps, commands, turns, kills, deaths, guests, pictures, pixels, lent, recorded } = sums;
  console.log(
    `${seeds} seeds in ${(ms / 1000).toFixed(1)} s: ${steps} steps, ${commands} commands, ${turns} turns, ` +
      `${kills} kills (${deaths} of the ctrl queue), ${guests} VMMs gone, ${pictures} screens of ${pixels} drawn pixels and ${lent} loans compared, ${recorded} recorded entries read, ${sums.failures.length} failures`,
  );
}

async function main(): Promise<number> {
  if (values.help) {
    console.log(help);
    return 0;
  }
  if (values.seed !== undefined) {
    const failure = one(Number(values.seed));
    console.log(failure === "" ? "nothing found" : failure);
    return failure === "" ? 0 : 1;
  }
  const [from, count] = [Number(values.from), Number(values.seeds)];
  const began = performance.now();
  if (values.part) {
    console.log(JSON.stringify(runSeeds(from, count)));
    return 0;
  }
  const jobs = Number(values.jobs);
  const sums = jobs > 1 ? await runAll(from, count, jobs) : runSeeds(from, count);
  report(sums, performance.now() - began);
  return sums.failures.length === 0 ? 0 : 1;
}

process.exitCode = await main();
