// What was found, on disk: which inputs did it, what came of it, and a recording where a guest's commands did.

import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Illness } from "./health.ts";
import type { Range } from "./session.ts";
import { fallsIll, shrink } from "./shrinking.ts";
import type { Target } from "./target.ts";

export interface Finding extends Range {
  readonly target: string;
  readonly what: string;
  /** Whether a server that saw nothing else did the same. */
  readonly isRepeatable: boolean;
  /** The command that repeats it. */
  readonly repeat: string;
}

const logBytesMax = 20_000;

export class Findings {
  /** `directory` is made when something is found. */
  constructor(
    private readonly directory: string,
    private readonly goesOn: () => boolean,
  ) {}

  /** Makes the batch smaller, and keeps it. `log` is that of the server which fell ill. */
  async keep(target: Target, range: Range, { what }: Illness, log: string): Promise<Finding> {
    const smallest = await shrink(target, range, this.goesOn);
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
    if (smallest !== null && target.recordable === true)
      await fallsIll(target, kept, ["--record", `${path}.rec`]);
    return finding;
  }

  /** Deaths of the renderer, by what the log says of them: kept as they are, since there are many. */
  keepDeaths(target: Target, range: Range, deaths: readonly string[]): void {
    const kept = { target: target.name, ...range, deaths, repeat: repeatOf(target, range) };
    writeFileSync(`${this.pathOf(target, range)}.renderer.json`, `${JSON.stringify(kept, null, 2)}\n`);
  }

  private pathOf(target: Target, { seed, from, to }: Range): string {
    if (!existsSync(this.directory)) mkdirSync(this.directory, { recursive: true });
    return join(this.directory, `${target.name}-${seed}-${from}-${to}`);
  }
}

const repeatOf = ({ name }: Target, { seed, from, to }: Range): string =>
  `bun run fuzz --target ${name} --seed ${seed} --inputs ${from}-${to}`;
