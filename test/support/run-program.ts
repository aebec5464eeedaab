// A program for recordings that is run to its end, and what it has said.

import type { ProgramWord } from "../../bin/programs.ts";
import { commandOf } from "./programs.ts";

interface Ended {
  code: number;
  out: string;
  /** But for lines on how far it is, which come where the machine is busy. */
  error: string;
}

export function runProgram(program: ProgramWord, ...args: string[]): Ended {
  const { exitCode, stdout, stderr } = Bun.spawnSync([...commandOf(program), ...args]);
  const error = stderr.toString().replaceAll(/^ *\d+ %.*\n/gm, "");
  return { code: exitCode, out: stdout.toString(), error };
}
