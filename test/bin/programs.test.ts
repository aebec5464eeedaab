// Which program a command line of `fencepost` asks for.

import { describe, expect, test } from "bun:test";
import { nearest } from "../../bin/nearest.ts";
import { overview, programs, readWords } from "../../bin/programs.ts";

const words = Object.keys(programs) as (keyof typeof programs)[];

describe("the words behind fencepost", () => {
  test("none, or flags alone, are the server's", () => {
    expect(readWords([])).toEqual({ kind: "program", program: "serve", args: [] });
    for (const args of [["--socket-path", "a"], ["-V"], ["--help", "--dev"], ["--fd=3", "ctl"]])
      expect(readWords(args)).toEqual({ kind: "program", program: "serve", args });
  });

  test.each(words)("%s is a program, and what follows is for it", (program) => {
    expect(readWords([program, "help", "-h"])).toEqual({ kind: "program", program, args: ["help", "-h"] });
    expect(readWords(["help", program])).toEqual({ kind: "program", program, args: ["--help"] });
  });

  test("help alone is about all of them", () => {
    for (const args of [["--help"], ["-h"], ["help"]]) expect(readWords(args)).toEqual({ kind: "overview" });
    for (const word of words) expect(overview()).toMatch(new RegExp(`^  ${word} +\\S`, "m"));
  });

  test("a word that is none is answered with the one that was meant", () => {
    expect(readWords(["sevre", "--dev"])).toEqual({
      kind: "unknown",
      reason: '"sevre" is no command: did you mean serve? See fencepost --help.',
    });
    expect(readWords(["help", "rpelay"])).toMatchObject({ reason: expect.stringContaining("mean replay?") });
    expect(readWords(["constructor"])).toEqual({
      kind: "unknown",
      reason: '"constructor" is no command. See fencepost --help.',
    });
  });
});

test.each([
  ["serv", "serve"],
  ["server", "serve"],
  ["demmo", "demo"],
  ["ctrl", "ctl"],
  ["tl", "ctl"],
  ["trace", "trace-info"],
  ["traceinfo", "trace-info"],
  ["trace-tirm", "trace-trim"],
  ["bridge", "bridge-client"],
  ["screenshot", null],
  ["x", null],
] as const)("%s was meant as %s", (word, meant) => expect(nearest(word, words)).toBe(meant));
