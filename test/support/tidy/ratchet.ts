// What was worse than a rule allows when the rule came: numbers, of test/tidy.json, that may only shrink.

import type { Finding } from "./tree.ts";

/** By rule and path. */
export type Numbers = Record<string, Record<string, number>>;

const mend = "run TIDY=lower bun test test/tidy.test.ts";
/** A file or function may be so much shorter than its number, in parts of it, before the number must follow. */
const slack = 0.1;

export class Ratchet {
  /** Numbers that could be lower, of which nothing need be done yet. */
  readonly notes: string[] = [];

  /** `isStrict`: whether a number that could be lower is a failure. Those in `numbers` are lowered either way. */
  constructor(
    readonly numbers: Numbers,
    private readonly isStrict: boolean,
  ) {}

  /** What is worse than its number, and what is so much better that the number must follow. */
  failures(rule: string, found: readonly Finding[]): string[] {
    const byPath = Map.groupBy(found, ({ path }) => path);
    const counts = new Map(Array.from(byPath, ([path, { length }]): [string, number] => [path, length]));
    const say = (path: string): string[] =>
      byPath.get(path)!.map(({ line, what }) => `${path}:${line}: ${what}`);
    return this.compare(rule, counts, 0, say);
  }

  /** As {@link failures}, of lengths: those of files without a number may be `most`. */
  lengthFailures(rule: string, lengths: ReadonlyMap<string, number>, most: number, advice: string): string[] {
    return this.compare(rule, lengths, most, (path) => [`${path}: ${lengths.get(path)} lines: ${advice}`]);
  }

  private compare(
    rule: string,
    found: ReadonlyMap<string, number>,
    most: number,
    say: (path: string) => string[],
  ): string[] {
    const known = this.numbers[rule] ?? {};
    const failures: string[] = [];
    for (const [path, count] of found) {
      const allowed = known[path] ?? most;
      if (count > allowed) failures.push(...say(path), `  (${count} where test/tidy.json allows ${allowed})`);
    }
    for (const [path, allowed] of Object.entries(known)) {
      const now = found.get(path) ?? 0;
      if (now >= allowed) continue;
      const to = now <= most ? "nothing" : now;
      const better = `test/tidy.json: "${rule}": "${path}" can be lowered from ${allowed} to ${to}: ${mend}`;
      const follows = now <= most || most === 0 || now < allowed * (1 - slack);
      (this.isStrict && follows ? failures : this.notes).push(better);
      if (now <= most) delete known[path];
      else known[path] = now;
    }
    return failures;
  }
}
