// The repository's own TypeScript files, read once for every rule of test/tidy.test.ts.

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { readSource, type Source } from "../../../scripts/lib/source.ts";

export const root = join(import.meta.dir, "../../..");

/** Something that a rule does not allow, and what to do about it. */
export interface Finding {
  readonly path: string;
  readonly line: number;
  readonly what: string;
}

const folders = ["src", "lab", "test", "bench", "scripts"];

export const sources: ReadonlyMap<string, Source> = new Map(
  folders
    .flatMap((folder) =>
      readdirSync(join(root, folder), { recursive: true, encoding: "utf8" }).map((name) =>
        join(folder, name),
      ),
    )
    .filter((path) => path.endsWith(".ts"))
    .sort()
    .map((path) => [path, readSource(path, readFileSync(join(root, path), "utf8"))]),
);

export function under(...prefixes: string[]): Source[] {
  return [...sources.values()].filter(({ path }) => prefixes.some((prefix) => path.startsWith(prefix)));
}
