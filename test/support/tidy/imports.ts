// Rules about who may import whom.

import { floors, isPublic } from "../../../scripts/lib/floors.ts";
import type { Source } from "../../../scripts/lib/source.ts";
import type { Finding, Tree } from "./tree.ts";

const base = ["src/ffi/"];
const transport = ["src/transport/", ...base];
const product = ["src/actors/", "src/config", "src/picture/", "src/recording/", ...transport];

/** What files of a folder may import; the longest folder counts. Those of test/, bench/ and scripts/ are free. */
const mayImport: Readonly<Record<string, readonly string[]>> = {
  "src/ffi/": base,
  "src/transport/os/": ["src/transport/os/", ...base],
  "src/transport/virtio/": ["src/transport/virtio/", "src/transport/os/", ...base],
  "src/transport/wire/": transport,
  "src/picture/": ["src/picture/", "src/transport/os/", "src/transport/wire/virtio-gpu/", ...base],
  "src/recording/": ["src/recording/", "src/picture/", ...transport],
  "src/config": ["src/config", "src/picture/", ...transport],
  "src/actors/": product.filter((prefix) => prefix !== "src/recording/"),
  "src/cli/": ["src/cli/", ...product],
  "bin/": ["bin/", "src/cli/", "lab/demo/", "lab/replay/", "src/actors/runtime/process/", "src/config"],
  "lab/": ["lab/", "src/config", "src/picture/", "src/recording/", ...transport],
};
const folders = Object.keys(mayImport).sort((a, b) => b.length - a.length);

/** Whether `from` lies on a higher floor of a folder that has floors than `path` does. */
function pointsUp(path: string, from: string): boolean {
  if (isPublic(from)) return false;
  return Object.entries(floors).some(([folder, rooms]) => {
    const floorOf = (file: string): number => {
      if (!file.startsWith(`${folder}/`)) return -1;
      const inside = file.slice(folder.length + 1);
      return rooms.indexOf(inside.includes("/") ? inside.slice(0, inside.indexOf("/")) : "*");
    };
    const [here, there] = [floorOf(path), floorOf(from)];
    return here >= 0 && there >= 0 && here > there;
  });
}

/** Whether one actor imports the inside of another, which it may meet only by messages. */
function looksInside(path: string, from: string, tree: Tree): boolean {
  const [here, there] = [path, from].map((file) => /^src\/actors\/[^/]+\//.exec(file)?.[0]);
  if (there === undefined || here === there || isPublic(from)) return false;
  return tree.sources.has(`${there}main.ts`) && path.startsWith("src/actors/");
}

/** The files of the tree that `source` imports; a worker's entry is only named. */
const imported = ({ imports }: Source, tree: Tree): Source["imports"] =>
  imports.filter(({ from, kind }) => kind === "import" && tree.sources.has(from));

/** Imports of what is not below. */
export function upwardImports(tree: Tree): Finding[] {
  return tree.under("bin/", "src/", "lab/").flatMap((source) => {
    const { path } = source;
    const folder = folders.find((prefix) => path.startsWith(prefix));
    const allowed = folder === undefined ? null : mayImport[folder]!;
    return imported(source, tree).flatMap(({ from, line }) => {
      if (allowed !== null && !allowed.some((prefix) => from.startsWith(prefix)))
        return { path, line, what: `${folder} may not import ${from}, only ${allowed.join(", ")}` };
      if (looksInside(path, from, tree))
        return {
          path,
          line,
          what: `${from} is another actor's inside: send a message, or move what both need`,
        };
      if (!pointsUp(path, from)) return [];
      return { path, line, what: `points up to ${from}: take what it needs as a parameter, or move it down` };
    });
  });
}

/** Imports between files that import each other in a circle, types included. */
export function circles(tree: Tree): Finding[] {
  const circleOf = stronglyConnected(tree);
  return [...tree.sources.values()].flatMap((source) => {
    const { path } = source;
    return imported(source, tree)
      .filter(({ from }) => circleOf.has(path) && circleOf.get(path) === circleOf.get(from))
      .map(({ from, line }) => ({
        path,
        line,
        what: `is in a circle with ${from}: move what both need to a file below them`,
      }));
  });
}

/** For each file that lies in a circle, a number that its circle alone has (Tarjan's algorithm). */
function stronglyConnected(tree: Tree): Map<string, number> {
  const index = new Map<string, number>();
  const low = new Map<string, number>();
  const stack: string[] = [];
  const found = new Map<string, number>();
  const visit = (path: string): void => {
    index.set(path, index.size);
    low.set(path, index.get(path)!);
    stack.push(path);
    for (const { from } of imported(tree.sources.get(path)!, tree)) {
      if (!index.has(from)) visit(from);
      if (stack.includes(from)) low.set(path, Math.min(low.get(path)!, low.get(from)!));
    }
    if (low.get(path) !== index.get(path)) return;
    const circle = stack.splice(stack.indexOf(path));
    if (circle.length > 1) for (const member of circle) found.set(member, index.get(path)!);
  };
  for (const path of tree.sources.keys()) if (!index.has(path)) visit(path);
  return found;
}
