// What was worse than a rule allows when the rule came: the numbers in test/tidy.json may only shrink.

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Finding, root } from "./tree.ts";

type Numbers = Record<string, Record<string, number>>;

const file = join(root, "test/tidy.json");
const numbers = JSON.parse(readFileSync(file, "utf8")) as Numbers;

/** `TIDY=lower bun test test/tidy.test.ts` writes the numbers that have become smaller; it raises none. */
const lowers = process.env["TIDY"] === "lower";

/** What is worse than its number; what is better is printed. */
export function worse(rule: string, found: readonly Finding[]): string[] {
  const byPath = Map.groupBy(found, ({ path }) => path);
  const counts = new Map(Array.from(byPath, ([path, { length }]): [string, number] => [path, length]));
  return compare(rule, counts, 0, (path) =>
    byPath.get(path)!.map(({ line, what }) => `${path}:${line}: ${what}`),
  );
}

/** As {@link worse}, of lengths: those of files without a number may be `most`. */
export function longer(
  rule: string,
  lengths: ReadonlyMap<string, number>,
  most: number,
  advice: string,
): string[] {
  return compare(rule, lengths, most, (path) => [`${path}: ${lengths.get(path)} lines: ${advice}`]);
}

function compare(
  rule: string,
  found: ReadonlyMap<string, number>,
  most: number,
  say: (path: string) => string[],
): string[] {
  const known = numbers[rule] ?? {};
  const failures: string[] = [];
  for (const [path, count] of found) {
    const allowed = known[path] ?? most;
    if (count > allowed) failures.push(...say(path), `  (${count} where test/tidy.json allows ${allowed})`);
  }
  for (const [path, allowed] of Object.entries(known)) {
    const now = found.get(path) ?? 0;
    if (now >= allowed) continue;
    console.log(
      `test/tidy.json: "${rule}": "${path}" can be lowered from ${allowed} to ${now <= most ? "nothing" : now}`,
    );
    if (now <= most) delete known[path];
    else known[path] = now;
  }
  if (lowers) writeFileSync(file, `${JSON.stringify(numbers, null, 2)}\n`);
  return failures;
}
