// `fencepost`, as the executable and as bin/fencepost have it: a word says which program, and none is the server.

import { begin } from "../src/cli/begin.ts";
import { overview, programs, readWords } from "./programs.ts";

const exitUsage = 2;

const asked = readWords(process.argv.slice(2));
if (asked.kind === "program") {
  const { name, load } = programs[asked.program];
  await begin(name, load, asked.args);
} else if (asked.kind === "overview") {
  console.log(overview());
} else {
  console.error(`fencepost: ${asked.reason}`);
  process.exit(exitUsage);
}
