// `fencepost`, as the executable and as bin/fencepost have it: a word says which program, and none is the server.

import { actorWord } from "../src/actors/runtime/process/protocol.ts";
import { renderServerWord } from "../src/actors/runtime/process/render-server-order.ts";
import { begin } from "../src/cli/begin.ts";
import { overview, programs, readWords } from "./programs.ts";

const exitUsage = 2;

/** The executable is its own runtime: its server starts these from it, and nobody else has their words. */
const parts: Readonly<Record<string, () => Promise<unknown>>> = {
  [actorWord]: () => import("../src/actors/runtime/process/child.ts"),
  [renderServerWord]: () => import("../src/actors/runtime/process/render-server.ts"),
};

const part = Bun.isStandaloneExecutable ? parts[process.argv[2] ?? ""] : undefined;
const asked = readWords(process.argv.slice(2));
if (part !== undefined) {
  await part();
} else if (asked.kind === "program") {
  const { name, load } = programs[asked.program];
  await begin(name, load, asked.args);
} else if (asked.kind === "overview") {
  console.log(overview());
} else {
  console.error(`fencepost: ${asked.reason}`);
  process.exit(exitUsage);
}
