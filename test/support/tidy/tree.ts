// The files that the rules of test/tidy.test.ts look at: the repository's own, or a few that a test made up.

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

const isScript = (path: string): boolean => /\.tsx?$/.test(path);

export class Tree {
  private constructor(
    readonly sources: ReadonlyMap<string, Source>,
    /** What names files without being TypeScript: package.json, scripts of the shell, pages. */
    readonly others: ReadonlyMap<string, string>,
  ) {}

  /** A tree of files by their paths from the root, with their text. */
  static of(files: Readonly<Record<string, string>>): Tree {
    const [sources, others] = [new Map<string, Source>(), new Map<string, string>()];
    for (const [path, text] of Object.entries(files).sort())
      if (isScript(path)) sources.set(path, readSource(path, text));
      else others.set(path, text);
    return new Tree(sources, others);
  }

  static read(): Tree {
    const folders = ["bin", "src", "lab", "test", "bench", "scripts"];
    const paths = folders.flatMap((folder) =>
      readdirSync(join(root, folder), { recursive: true, encoding: "utf8" }).map((name) =>
        join(folder, name),
      ),
    );
    const relevant = paths.filter((path) => isScript(path) || /\.(?:sh|html)$/.test(path));
    const named = [...relevant, "package.json", "bunfig.toml", "setup.sh", ".ci/run"];
    return Tree.of(Object.fromEntries(named.map((path) => [path, readFileSync(join(root, path), "utf8")])));
  }

  under(...prefixes: readonly string[]): Source[] {
    return [...this.sources.values()].filter(({ path }) =>
      prefixes.some((prefix) => path.startsWith(prefix)),
    );
  }
}
