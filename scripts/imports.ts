// Draws who imports whom inside a folder, as a mermaid flowchart of its rooms.

import { dirname } from "node:path";
import { readCommandLine, refuse } from "./lib/command-line.ts";
import { floors, isPublic } from "./lib/floors.ts";
import { readSource, type Source } from "./lib/source.ts";

const help = `Draws who imports whom inside a folder, as a mermaid flowchart of its rooms. Numbers count import statements; arrows
that point up are red.

Usage: bun scripts/imports.ts DIR [--bare] [--rev REV [--moved REV]]

  --bare        without the numbers
  --rev REV     as it was at that revision
  --moved REV   with files in the rooms into which they had been moved by this revision`;

const { values, positionals } = readCommandLine(help, {
  allowPositionals: true,
  options: { rev: { type: "string" }, moved: { type: "string" }, bare: { type: "boolean", default: false } },
});
const [folder = ""] = positionals.map((path) => path.replace(/\/$/, ""));
if (positionals.length !== 1) refuse("want one DIR");
if (values.moved !== undefined && values.rev === undefined) refuse("--moved wants --rev");

function git(...args: string[]): string {
  const { exitCode, stdout, stderr } = Bun.spawnSync(["git", ...args]);
  if (exitCode !== 0) refuse(`git ${args[0]}: ${stderr.toString().trim()}`, 1);
  return stdout.toString();
}

const lines = (text: string): string[] => text.split("\n").filter((line) => line !== "");

async function read(): Promise<Source[]> {
  const { rev } = values;
  const paths =
    rev === undefined ? git("ls-files", folder) : git("ls-tree", "-r", "--name-only", rev, folder);
  const files = lines(paths).filter((path) => path.endsWith(".ts"));
  const text = (path: string): Promise<string> | string =>
    rev === undefined ? Bun.file(path).text() : git("show", `${rev}:${path}`);
  return Promise.all(files.map(async (path) => readSource(path, await text(path))));
}

/** Where each file lay at the revision of `--moved`. */
function moves(): Map<string, string> {
  if (values.moved === undefined) return new Map();
  const renames = lines(git("diff", "-M", "--diff-filter=R", "--name-status", values.rev!, values.moved));
  return new Map(renames.map((line) => line.split("\t").slice(1) as [string, string]));
}

/** The folder in which all of `paths` lie. */
function common(paths: readonly string[]): string {
  let shared = dirname(paths[0]!);
  while (!paths.every((path) => path.startsWith(`${shared}/`))) shared = dirname(shared);
  return shared;
}

const moved = moves();
const sources = await read();
if (sources.length === 0) refuse(`there is no TypeScript in ${folder}`, 1);
const placeOf = (path: string): string => moved.get(path) ?? path;
const parent = common(sources.map(({ path }) => placeOf(path)));
const wiring = parent.slice(parent.lastIndexOf("/") + 1);
const declared = "declared";
const roomOf = (path: string): string => {
  const inside = placeOf(path).slice(parent.length + 1);
  if (inside.includes("/")) return inside.slice(0, inside.indexOf("/"));
  return isPublic(path) ? declared : wiring;
};

const filesIn = new Map<string, number>();
const arrows = new Map<string, number>();
const paths = new Set(sources.map(({ path }) => path));
for (const { path, imports } of sources) {
  const room = roomOf(path);
  filesIn.set(room, (filesIn.get(room) ?? 0) + 1);
  for (const { from } of imports) {
    if (!paths.has(from) || roomOf(from) === room) continue;
    const arrow = `${room} ${roomOf(from)}`;
    arrows.set(arrow, (arrows.get(arrow) ?? 0) + 1);
  }
}

const known = floors[parent] ?? [];
/** From the top down; a room that has no floor is above nobody and below nobody. */
function floorOf(room: string): number {
  if (room === declared) return known.length;
  const floor = known.indexOf(room === wiring ? "*" : room);
  return floor < 0 ? Number.NaN : floor;
}
const byFloor = (a: string, b: string): number => (floorOf(a) || 0) - (floorOf(b) || 0) || a.localeCompare(b);

console.log("flowchart TD");
for (const room of [...filesIn.keys()].sort(byFloor)) {
  const files = filesIn.get(room) === 1 ? "1 file" : `${filesIn.get(room)} files`;
  const title = room === wiring ? `${wiring}/*` : room;
  console.log(`  ${room}["${title}${values.bare ? "" : `<br/>${files}`}"]`);
}
const up: number[] = [];
for (const [index, [arrow, count]] of [...arrows].sort(([a], [b]) => a.localeCompare(b)).entries()) {
  const [from, to] = arrow.split(" ") as [string, string];
  const isUp = floorOf(from) > floorOf(to);
  if (isUp) up.push(index);
  const word = values.bare ? (isUp ? "up" : "") : isUp ? `${count} up` : count;
  const line = isUp ? `== "${word}" ==>` : word === "" ? "-->" : `-- ${word} -->`;
  console.log(`  ${from} ${line} ${to}`);
}
if (up.length > 0) console.log(`  linkStyle ${up.join(",")} stroke:red,color:red`);
