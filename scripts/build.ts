// Makes build/fencepost: the server, its workers, the inspector's page and the programs around it in one executable; and what
// is installed beside it.

import { mkdirSync, statSync } from "node:fs";
import { join, resolve } from "node:path";
import { buildExecutable } from "./lib/executable.ts";
import { readCommandLine } from "./lib/command-line.ts";
import { writeShare } from "./lib/share/index.ts";

const help = `Makes the executable that needs neither Bun nor a checkout, and its manual pages and completions in share/.

Usage: bun run build [--output DIR]

  --output DIR   where it goes (default: build)`;

const { values } = readCommandLine(help, { options: { output: { type: "string", default: "build" } } });

const folder = values.output;
mkdirSync(folder, { recursive: true });
const path = join(folder, "fencepost");
await buildExecutable(path);
writeShare(join(folder, "share"), [resolve(path)]);
console.log(`${path}: ${Math.round(statSync(path).size / 1e6)} MB`);
