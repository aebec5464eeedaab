// The programs that tests start: those of the checkout, or of the executable that TESTED_EXECUTABLE names.

import { join } from "node:path";
import type { ProgramWord } from "../../bin/programs.ts";

const root = join(import.meta.dir, "../..");

/** Null where the checkout's own are tested. */
export const testedExecutable: string | null = process.env["TESTED_EXECUTABLE"] ?? null;

const entries: Readonly<Record<ProgramWord, string>> = {
  serve: "src/cli/server.ts",
  ctl: "src/cli/ctl.ts",
  demo: "lab/demo/main.ts",
  replay: "lab/replay/main.ts",
  "trace-info": "src/cli/trace-info.ts",
  "trace-trim": "src/cli/trace-trim.ts",
  "bridge-client": "src/cli/bridge-client.ts",
};

/** What starts a program. */
export const commandOf = (program: ProgramWord): string[] =>
  testedExecutable === null ? [process.execPath, join(root, entries[program])] : [testedExecutable, program];

/** How its own lines name it. */
export const callOf = (program: ProgramWord): string =>
  testedExecutable === null ? `bun run ${program === "serve" ? "server" : program}` : `fencepost ${program}`;
