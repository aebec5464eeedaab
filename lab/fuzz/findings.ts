// What was found, on disk: which inputs did it, what came of it, and a recording where a guest's commands did.

import { accessSync, constants, existsSync, mkdirSync, rmdirSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import type { Illness } from "./health.ts";
import type { Range } from "./session.ts";
import { causeOf, diesOf, fallsIll, shrink, type Shrinking, type Trial } from "./shrinking.ts";
import type { Target } from "./target.ts";

export interface Finding extends Range {
  readonly target: string;
  readonly what: string;
  /** Whether a server that saw nothing else did the same. */
  readonly isRepeatable: boolean;
  /** The command that repeats it. */
  readonly repeat: string;
}

/** A death of the renderer, made as small as it gets. */
export interface Death extends Range {
  readonly target: string;
  readonly cause: string;
  readonly repeat: string;
}

const logBytesMax = 20_000;
/** Batches of which a cause is made smaller before it is taken to be beyond repeating. */
const attemptsPerCause = 2;

/** Throws where nothing could be kept in the folder, which is made only once there is something. */
export function checkFolder(directory: string): void {
  const made = mkdirSync(directory, { recursive: true });
  accessSync(directory, constants.W_OK);
  if (made === undefined) return;
  // One by one: another fuzzer may have kept something there by now.
  const top = dirname(resolve(made));
  for (let folder = resolve(directory); folder !== top; folder = dirname(folder)) rmdirSync(folder);
}

/** As {@link Patience}, of any target. */
export interface FindingsPatience {
  readonly goesOn: () => boolean;
  readonly told: (target: Target, shrinking: Shrinking) => void;
}

export class Findings {
  /** Batches that were tried, by target and cause; endless where one is kept. */
  private readonly tried = new Map<string, number>();

  /** `directory` is made when something is found. */
  constructor(
    private readonly directory: string,
    private readonly patience: FindingsPatience,
  ) {}

  /** Makes the batch smaller, and keeps it. `log` is that of the server which fell ill. */
  async keep(target: Target, range: Range, { what }: Illness, log: string): Promise<Finding> {
    const smallest = await this.shrink(target, range, fallsIll(target, this.patience.goesOn));
    const kept = smallest ?? range;
    const finding = {
      target: target.name,
      ...kept,
      what,
      isRepeatable: smallest !== null,
      repeat: repeatOf(target, kept),
    };
    const path = this.pathOf(target, kept);
    writeFileSync(
      `${path}.json`,
      `${JSON.stringify({ ...finding, log: log.slice(-logBytesMax) }, null, 2)}\n`,
    );
    // Only a guest's commands are recorded.
    if (smallest !== null && target.recordable === true && this.patience.goesOn())
      await fallsIll(target)(kept, ["--record", `${path}.rec`]);
    return finding;
  }

  /** Deaths of the renderer in a batch, as the log has them: the first of each cause is made smaller, the others are only told. */
  async keepDeaths(target: Target, range: Range, deaths: readonly string[]): Promise<Death[]> {
    const path = `${this.pathOf(target, range)}.renderer.json`;
    writeFileSync(
      path,
      `${JSON.stringify({ target: target.name, ...range, deaths, repeat: repeatOf(target, range) }, null, 2)}\n`,
    );
    const kept: Death[] = [];
    for (const cause of new Set(deaths.map(causeOf))) {
      const key = `${target.name} ${cause}`;
      const tried = this.tried.get(key) ?? 0;
      if (tried >= attemptsPerCause) continue;
      const death = await this.smallest(target, range, cause);
      this.tried.set(key, death === null ? tried + 1 : Infinity);
      if (death !== null) kept.push(death);
    }
    return kept;
  }

  private async smallest(target: Target, range: Range, cause: string): Promise<Death | null> {
    const dies = diesOf(target, cause, this.patience.goesOn);
    const smallest = await this.shrink(target, range, dies);
    if (smallest === null) return null;
    const death = { target: target.name, ...smallest, cause, repeat: repeatOf(target, smallest) };
    const path = `${this.pathOf(target, smallest)}.death`;
    writeFileSync(`${path}.json`, `${JSON.stringify(death, null, 2)}\n`);
    if (target.recordable === true && this.patience.goesOn())
      await dies(smallest, ["--record", `${path}.rec`]);
    return death;
  }

  private shrink(target: Target, range: Range, trial: Trial): Promise<Range | null> {
    const { goesOn, told } = this.patience;
    return shrink(range, trial, { goesOn, told: (shrinking) => told(target, shrinking) });
  }

  private pathOf(target: Target, { seed, from, to }: Range): string {
    if (!existsSync(this.directory)) mkdirSync(this.directory, { recursive: true });
    return join(this.directory, `${target.name}-${seed}-${from}-${to}`);
  }
}

const repeatOf = ({ name }: Target, { seed, from, to }: Range): string =>
  `bun run fuzz --target ${name} --seed ${seed} --inputs ${from}-${to}`;
