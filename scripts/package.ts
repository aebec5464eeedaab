// Makes a Debian package of the executable and what is installed beside it.

import { mkdirSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readCommandLine } from "./lib/command-line.ts";
import { debName, layOut, pack } from "./lib/deb.ts";
import { buildExecutable } from "./lib/executable.ts";
import { writeShare } from "./lib/share/index.ts";

const help = `Makes a Debian package, with nothing from a network.

Usage: bun run package [--output DIR]

  --output DIR   where it goes (default: build)

DEBFULLNAME and DEBEMAIL are its maintainer's, and SOURCE_DATE_EPOCH the time of its files (default: the last commit's author
and time).`;

const { values } = readCommandLine(help, { options: { output: { type: "string", default: "build" } } });

const tree = mkdtempSync(join(tmpdir(), "fencepost-deb-"));
try {
  mkdirSync(join(tree, "usr/bin"), { recursive: true });
  const executable = join(tree, "usr/bin/fencepost");
  await buildExecutable(executable);
  writeShare(join(tree, "usr/share"), [executable]);
  layOut(tree);
  mkdirSync(values.output, { recursive: true });
  const path = join(values.output, debName());
  pack(tree, path);
  console.log(`${path}: ${Math.round(statSync(path).size / 1e6)} MB`);
} finally {
  rmSync(tree, { recursive: true });
}
