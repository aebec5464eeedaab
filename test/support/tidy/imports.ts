// Rules about who may import whom, what nobody uses, and what nobody reaches.

import { readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { floors } from "../../../scripts/lib/floors.ts";
import { type Finding, root, sources, under } from "./tree.ts";

const base = ["src/ffi/"];
const transport = ["src/transport/", ...base];
const picture = ["src/picture/", "src/transport/os/", "src/transport/wire/virtio-gpu/", ...base];
const product = ["src/actors/", "src/config", "src/picture/", ...transport];
/** What files of a folder may import; the longest folder counts. Those of test/, bench/ and scripts/ are free. */
const mayImport: Record<string, readonly string[]> = {
  "src/ffi/": base,
  "src/transport/os/": ["src/transport/os/", ...base],
  "src/transport/virtio/": ["src/transport/virtio/", "src/transport/os/", ...base],
  "src/transport/wire/": transport,
  "src/picture/": picture,
  "src/config": ["src/config", "src/picture/", ...transport],
  "src/actors/": product,
  "src/cli/": ["src/cli/", ...product],
  "lab/": ["lab/", "src/config", "src/picture/", ...transport],
};

/** Whether `from` lies on a higher floor of a folder that has floors than `path` does. */
function pointsUp(path: string, from: string): boolean {
  return Object.entries(floors).some(([folder, rooms]) => {
    const [here, there] = [path, from].map((one) => {
      if (!one.startsWith(`${folder}/`)) return -1;
      const inside = one.slice(folder.length + 1);
      return rooms.indexOf(inside.includes("/") ? inside.slice(0, inside.indexOf("/")) : "*");
    });
    return here! >= 0 && there! >= 0 && here! > there!;
  });
}

/** Imports that go to a place that is not below. */
export function upwardImports(): Finding[] {
  const folders = Object.keys(mayImport).sort((a, b) => b.length - a.length);
  return under("src/", "lab/").flatMap(({ path, imports }) => {
    const folder = folders.find((prefix) => path.startsWith(prefix));
    return imports.flatMap(({ from, line, kind }) => {
      if (kind === "address" || !sources.has(from)) return [];
      if (folder !== undefined && !mayImport[folder]!.some((prefix) => from.startsWith(prefix)))
        return {
          path,
          line,
          what: `${folder} may not import ${from}, only ${mayImport[folder]!.join(", ")}`,
        };
      if (pointsUp(path, from))
        return {
          path,
          line,
          what: `points up to ${from}: let it be given what it needs, or move what both need down`,
        };
      return [];
    });
  });
}

/** Imports between files that import each other in a circle, types included. */
export function circles(): Finding[] {
  const circleOf = stronglyConnected();
  return [...sources.values()].flatMap(({ path, imports }) =>
    imports
      .filter(
        ({ from, kind }) =>
          kind !== "address" && circleOf.has(path) && circleOf.get(path) === circleOf.get(from),
      )
      .map(({ from, line }) => ({
        path,
        line,
        what: `is in a circle with ${from}: move what both need to a file below them`,
      })),
  );
}

/** For each file that lies in a circle, a number that its circle alone has (Tarjan's algorithm). */
function stronglyConnected(): Map<string, number> {
  const index = new Map<string, number>();
  const low = new Map<string, number>();
  const stack: string[] = [];
  const found = new Map<string, number>();
  const visit = (path: string): void => {
    index.set(path, index.size);
    low.set(path, index.get(path)!);
    stack.push(path);
    for (const { from, kind } of sources.get(path)!.imports) {
      if (kind === "address" || !sources.has(from)) continue;
      if (!index.has(from)) visit(from);
      if (stack.includes(from)) low.set(path, Math.min(low.get(path)!, low.get(from)!));
    }
    if (low.get(path) !== index.get(path)) return;
    const circle = stack.splice(stack.indexOf(path));
    if (circle.length > 1) for (const member of circle) found.set(member, index.get(path)!);
  };
  for (const path of sources.keys()) if (!index.has(path)) visit(path);
  return found;
}

/**
 * Exported names that no other file imports. A type that another declaration of its file uses may be exported for whoever
 * reads that declaration.
 */
export function unusedExports(): Finding[] {
  const used = new Map<string, Set<string>>([...sources.keys()].map((path) => [path, new Set()]));
  for (const { imports } of sources.values())
    for (const { from, names, again } of imports)
      if (!again) for (const name of names) used.get(from)?.add(name);
  // Twice, since a file that passes names on may be passed on itself.
  for (let round = 0; round < 2; round++)
    for (const { path, imports } of sources.values())
      for (const { from, names, again } of imports) {
        if (!again) continue;
        const all = used.get(path)!;
        for (const name of names.includes("*") ? all : names)
          if (all.has(name) || all.has("*")) used.get(from)?.add(name);
      }
  return [...sources.values()].flatMap(({ path, exports, code }) => {
    const names = used.get(path)!;
    if (names.has("*")) return [];
    return exports
      .filter(({ name, isType }) => {
        if (names.has(name)) return false;
        return !isType || code.split(new RegExp(`\\b${name}\\b`)).length === 2;
      })
      .map(({ name, line }) => ({
        path,
        line,
        what: `nobody imports "${name}": drop the "export", or the whole`,
      }));
  });
}

/** Files by whose path something else than an import names them: scripts of package.json, spawned programs, shell. */
function named(): Set<string> {
  const shell = ["package.json", "bunfig.toml", "setup.sh", ".ci/run", "scripts/build-guest.sh"];
  const found = new Set<string>();
  const look = (path: string, text: string): void => {
    for (const [mention] of text.matchAll(/[\w./-]+\.ts\b/g)) {
      for (const from of [normalize(mention), normalize(join(dirname(path), mention))])
        if (from !== path) found.add(from);
    }
  };
  for (const path of shell) look(path, readFileSync(join(root, path), "utf8"));
  for (const { path, text, comments, imports } of sources.values()) {
    if (path.startsWith("test/tidy") || path.startsWith("test/support/tidy")) continue;
    const own = new Set([...imports.map(({ from }) => from)]);
    let strings = text;
    for (const comment of comments) strings = strings.replace(comment.text, "");
    look(path, strings.replace(/^(?:import|export|\} from)\b.*$/gm, ""));
    for (const from of own)
      if (imports.some((one) => one.from === from && one.kind === "address")) found.add(from);
  }
  return found;
}

/** Files that no command, test or actor reaches; and files of the product that only tests reach. */
export function deadFiles(): Finding[] {
  const starts = named();
  const isTest = (path: string): boolean => path.startsWith("test/") || path.startsWith("bench/");
  const isEntry = (path: string): boolean =>
    path.endsWith(".test.ts") || starts.has(path) || /^(?:scripts|src\/cli)\/[^/]+$/.test(path);
  const reach = (from: readonly string[]): Set<string> => {
    const reached = new Set<string>();
    const queue = [...from];
    for (let path = queue.pop(); path !== undefined; path = queue.pop()) {
      if (reached.has(path)) continue;
      reached.add(path);
      for (const { from: next } of sources.get(path)!.imports) if (sources.has(next)) queue.push(next);
    }
    return reached;
  };
  const entries = [...sources.keys()].filter(isEntry);
  const alive = reach(entries);
  const product = reach(entries.filter((path) => !isTest(path)));
  return [...sources.keys()].flatMap((path) => {
    if (!alive.has(path))
      return { path, line: 1, what: "no command, test or actor reaches this file: delete it" };
    if (path.startsWith("src/") && !product.has(path))
      return { path, line: 1, what: "only tests reach this file: delete it, or move it to test/support" };
    return [];
  });
}
