// Rules about what nobody uses: exports that nobody imports, files that nobody reaches.

import { dirname, join, normalize } from "node:path";
import type { Finding, Tree } from "./tree.ts";

/**
 * Exported names that no other file imports. A type that another declaration of its file uses may be exported for whoever
 * reads that declaration.
 */
export function unusedExports(tree: Tree): Finding[] {
  const used = usedNames(tree);
  return [...tree.sources.values()].flatMap(({ path, exports, code }) => {
    const names = used.get(path)!;
    if (names.has("*")) return [];
    const isIdle = ({ name, isType }: { name: string; isType: boolean }): boolean => {
      if (names.has(name)) return false;
      return !isType || code.split(new RegExp(`\\b${name}\\b`)).length === 2;
    };
    const what = (name: string): string => `nobody imports "${name}": drop the "export", or the whole`;
    return exports.filter(isIdle).map(({ name, line }) => ({ path, line, what: what(name) }));
  });
}

/** For each file the names that others import from it; "*" is all of them. */
function usedNames({ sources }: Tree): Map<string, Set<string>> {
  const used = new Map<string, Set<string>>([...sources.keys()].map((path) => [path, new Set()]));
  const all = [...sources.values()].flatMap(({ path, imports }) => imports.map((one) => ({ path, ...one })));
  for (const { from, names, again } of all) if (!again) for (const name of names) used.get(from)?.add(name);
  // What a file passes on is used where it is used there; twice, since what is passed on may be passed on again.
  const passedOn = all.filter(({ again }) => again);
  for (const { path, from, names } of [...passedOn, ...passedOn]) {
    const wanted = used.get(path)!;
    for (const name of names.includes("*") ? wanted : names)
      if (wanted.has(name) || wanted.has("*")) used.get(from)?.add(name);
  }
  return used;
}

/** Files that no command, test or actor reaches; and files of the product that only tests reach. */
export function deadFiles(tree: Tree): Finding[] {
  const starts = named(tree);
  const paths = [...tree.sources.keys()];
  const isEntry = (path: string): boolean =>
    path.endsWith(".test.ts") || starts.has(path) || /^(?:scripts|src\/cli)\/[^/]+$/.test(path);
  const entries = paths.filter(isEntry);
  const alive = reached(tree, entries);
  const product = reached(
    tree,
    entries.filter((path) => !/^(?:test|bench)\//.test(path)),
  );
  return paths.flatMap((path) => {
    if (!alive.has(path))
      return { path, line: 1, what: "no command, test or actor reaches this file: delete it" };
    if (!path.startsWith("src/") || product.has(path)) return [];
    return { path, line: 1, what: "only tests reach this file: delete it, or move it to test/support" };
  });
}

function reached({ sources }: Tree, from: readonly string[]): Set<string> {
  const seen = new Set<string>();
  const queue = [...from];
  for (let path = queue.pop(); path !== undefined; path = queue.pop()) {
    if (seen.has(path)) continue;
    seen.add(path);
    for (const { from: next } of sources.get(path)!.imports) if (sources.has(next)) queue.push(next);
  }
  return seen;
}

/** Files that something else than an import names: scripts of package.json and the shell, strings with a path. */
function named({ sources, others }: Tree): Set<string> {
  const found = new Set<string>();
  const look = (path: string, text: string): void => {
    for (const [mention] of text.matchAll(/[\w./-]+\.tsx?\b/g))
      for (const one of [normalize(mention), normalize(join(dirname(path), mention))])
        if (one !== path) found.add(one);
  };
  for (const [path, text] of others) look(path, text);
  for (const { path, text, comments } of sources.values()) {
    if (/^test\/(?:support\/)?tidy/.test(path)) continue;
    let strings = text;
    for (const comment of comments) strings = strings.replace(comment.text, "");
    look(path, strings.replace(/^(?:import|export|\} from)\b.*$/gm, ""));
  }
  return found;
}
