// Paths that documents name in backticks, or list as a block, exist.

import { expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { documents, root } from "./support/reader/documents.ts";

const files = Bun.spawnSync(["git", "ls-files", "-co", "--exclude-standard"], { cwd: root })
  .stdout.toString()
  .split("\n");

/** `a/{b,c}/d.ts` as `a/b/d.ts` and `a/c/d.ts`. */
function spread(path: string): string[] {
  const choice = /\{([^}]*)\}/.exec(path);
  if (choice === null) return [path];
  const { 0: whole, 1: names, index } = choice;
  return names!
    .split(",")
    .flatMap((name) => spread(path.slice(0, index) + name + path.slice(index + whole.length)));
}

/** A file or folder by its path from the root, or by the end of it. A star stands for part of a name. */
function exists(path: string): boolean {
  const pattern = path.split("*").map(RegExp.escape).join("[^/]*");
  const whole = new RegExp(`(?:^|/)${pattern}${path.endsWith("/") ? "" : "(?:$|/)"}`);
  return files.some((file) => whole.test(file));
}

const isPath = (text: string): boolean =>
  /^[\w.*{}@,-]+(?:\/[\w.*{},-]+)*\/?$/.test(text) &&
  (/^(?:src|lab|test|bench|scripts|docs|\.ci)\//.test(text) || /\.(?:ts|md|sh|json|toml|c)$/.test(text));

/** What a document names as a path. */
function pathsIn(text: string): string[] {
  const quoted = Array.from(text.matchAll(/(?<!`)`([^`\n]+)`(?!`)/g), (match) =>
    match[1]!.replace(/^\.\//, ""),
  );
  const listed = Array.from(text.matchAll(/^ {4}([^\s<>]+\/[^\s<>]*)(?: {2}|$)/gm), (match) => match[1]!);
  return [...quoted, ...listed].filter(isPath);
}

test.each(documents)("what %s names is there", (path) => {
  const text = readFileSync(join(root, path), "utf8");
  const gone = pathsIn(text)
    .flatMap(spread)
    .filter((name) => !exists(name));
  expect(gone).toEqual([]);
});

test("the index leads to every document, and each link of a document to what is there", () => {
  const linksOf = (path: string): string[] =>
    Array.from(readFileSync(join(root, path), "utf8").matchAll(/\]\(([^)#:]+)\)/g), ([, to]) =>
      join(dirname(path), to!),
    );
  expect(documents.flatMap(linksOf).filter((path) => !existsSync(join(root, path)))).toEqual([]);
  const index = linksOf("docs/README.md");
  const led = documents.filter((path) => path.startsWith("docs/") && path !== "docs/README.md");
  expect(led.filter((path) => !index.includes(path))).toEqual([]);
});

test("the picture of the ctrl queue's rooms is what imports say today", () => {
  const command = ["bun", "scripts/imports.ts", "src/actors/gpu", "--bare"];
  const today = Bun.spawnSync(command, { cwd: root }).stdout.toString();
  const page = readFileSync(join(root, "docs/architecture.md"), "utf8");
  expect(/^flowchart TD\n[^`]*/m.exec(page)?.[0], `put the output of ${command.join(" ")} there`).toBe(today);
});

test("paths are recognised, and what is none is not", () => {
  const text =
    "`src/ffi/drm.ts` `docs/` `tidy.json` `a/b` `--path src/a.ts` `SET_SCANOUT`\n    src/x/   what it is\n";
  expect(pathsIn(text)).toEqual(["src/ffi/drm.ts", "docs/", "tidy.json", "src/x/"]);
  expect(spread("src/{a,b}/{c,d.ts}")).toEqual(["src/a/c", "src/a/d.ts", "src/b/c", "src/b/d.ts"]);
  const there = ["test/docs.test.ts", "docs.test.ts", "src/actors/*/main.ts", "test/", "src/ffi"];
  expect(there.filter(exists)).toEqual(there);
  expect(["docs/nothing.md", "ocs.test.ts", "src/ff", "src/*/main.ts"].filter(exists)).toEqual([]);
});
