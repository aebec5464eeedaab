// How this program is started once more, as a process that is no server.

import { readFileSync } from "node:fs";
import { basename, join } from "node:path";

const checkout = join(import.meta.dir, "../../../..");
/** Variables by which Bun would do something else than to run what it is given. */
const notInherited = ["BUN_OPTIONS", "BUN_BE_BUN", "BUN_INSPECT"];

/** The words of its command line: the executable knows `word`, a checkout has `entry`. */
export function ownProgram(word: string, entry: string): string[] {
  if (Bun.isStandaloneExecutable) return [...program(), word];
  const config = `--config=${join(checkout, "bunfig.toml")}`;
  return [...program(), "--smol", "--no-env-file", "--no-install", config, join(checkout, entry)];
}

export function ownEnvironment(): Record<string, string> {
  const inherited = Object.entries(process.env).filter(([key]) => !notInherited.includes(key));
  return Object.fromEntries(inherited) as Record<string, string>;
}

/** Words of a dynamic loader that another one follows. */
const loaderWords = ["--library-path", "--preload", "--inhibit-rpath", "--audit", "--argv0"];

/** This program: where a dynamic loader was given it by name, that is what has to be started with it. */
function program(): string[] {
  const { execPath } = process;
  if (!/^ld(?:-linux.*)?\.so/.test(basename(execPath))) return [execPath];
  const words = readFileSync("/proc/self/cmdline", "utf8").split("\0");
  let at = 1;
  while (words[at]?.startsWith("--")) at += loaderWords.includes(words[at]!) ? 2 : 1;
  return [execPath, ...words.slice(1, at + 1)];
}
