// `bun run trace-trim` as a person calls it: what it says where it cannot do it, and that it leaves nothing behind then.

import { afterEach, beforeEach, expect, test } from "bun:test";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Tape } from "../support/tape.ts";
import { TapedScreen } from "../support/taped-screen.ts";
import { commandOf } from "../support/programs.ts";

let folder: string;
let file: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "fencepost-trim-"));
  file = join(folder, "recording");
});
afterEach(() => rmSync(folder, { recursive: true }));

interface Ended {
  code: number;
  out: string;
  error: string;
}

function traceTrim(args: readonly string[], before: readonly string[] = []): Ended {
  const command = [...before, ...commandOf("trace-trim"), ...args];
  const { exitCode, stdout, stderr } = Bun.spawnSync(command);
  return { code: exitCode, out: stdout.toString(), error: stderr.toString() };
}

/** Frames of pixels that do not pack. */
function write(frames: number): void {
  const tape = new Tape();
  const screen = new TapedScreen(tape, 1, 128, 128);
  for (let frame = 0; frame < frames; frame++) {
    for (let y = 0; y < 128; y++) screen.transfer({ x: 0, y, width: 128, height: 1 }, Bun.hash.crc32(`${y}`));
    screen.flush({ x: 0, y: 0, width: 128, height: 128 });
  }
  writeFileSync(file, tape.end());
}

test("what is there already is left as it is, and said to be in the way", () => {
  write(1);
  const out = join(folder, "out");
  writeFileSync(out, "mine");
  expect(traceTrim([file, "--blank", "-o", out])).toEqual({
    ...{ code: 1, out: "" },
    error: `trace-trim: ${out} is there already: remove it, or name another file\n`,
  });
  expect(readFileSync(out, "utf8")).toBe("mine");
});

test.each([
  ["none/out", "there is no folder F/none: make it"],
  ["folder", "F/folder is there already: remove it, or name another file"],
  ["recording/out", "F/recording/out goes through what is no folder"],
])("OUT at %s is one sentence", (name, sentence) => {
  write(1);
  mkdirSync(join(folder, "folder"));
  const error = `trace-trim: ${sentence.replaceAll("F", folder)}\n`;
  expect(traceTrim([file, "--blank", "-o", join(folder, name)])).toEqual({ code: 1, out: "", error });
  expect(readdirSync(folder).toSorted()).toEqual(["folder", "recording"]);
});

test("a disk that is full leaves no half of it", () => {
  write(3);
  const out = join(folder, "out");
  const { code, error } = traceTrim([file, "--frame", "2", "-o", out], ["prlimit", "--fsize=512"]);
  expect(error).toBe(`trace-trim: ${out} may not grow further: see ulimit -f\n`);
  expect(code).toBe(1);
  expect(readdirSync(folder)).toEqual(["recording"]);
});

test("Ctrl-C ends it, and leaves no half of it", async () => {
  const tape = new Tape();
  const screen = new TapedScreen(tape, 1, 1024, 1024);
  // What takes seconds, where it is let be.
  for (let frame = 0; frame < 60; frame++) screen.draw({ x: 0, y: 0, width: 1024, height: 1024 }, frame);
  writeFileSync(file, tape.end());
  const out = join(folder, "out");
  const child = Bun.spawn([...commandOf("trace-trim"), file, "--blank", "-o", out], { stderr: "pipe" });
  while (!existsSync(out)) await Bun.sleep(1);
  child.kill("SIGINT");
  expect(await child.exited).toBe(130);
  expect(await child.stderr.text()).toBe("interrupted\n");
  expect(readdirSync(folder)).toEqual(["recording"]);
});

test("a frame that there is not, and a file that there is not, leave nothing", () => {
  write(2);
  const out = join(folder, "out");
  expect(traceTrim([file, "--frame", "2", "-o", out])).toMatchObject({
    ...{ code: 1, error: "trace-trim: this recording has no frame 2: there are 2\n" },
  });
  expect(traceTrim([`${file}.absent`, "--blank", "-o", out])).toMatchObject({
    ...{ code: 1, error: `trace-trim: there is no file ${file}.absent\n` },
  });
  expect(traceTrim([folder, "--blank", "-o", out])).toMatchObject({
    ...{ code: 1, error: `trace-trim: ${folder} is a folder: name a file in it\n` },
  });
  expect(readdirSync(folder)).toEqual(["recording"]);
});

test.each([
  [[], "want the path of one recording"],
  [["recording"], "want -o and where it goes"],
  [["recording", "-o", "out"], "want --frame or --blank"],
  [["recording", "-o", "out", "--frame", "x"], "--frame x: want a number from 0 on"],
])("the arguments %j are a mistake with a sentence", (args, sentence) => {
  expect(traceTrim(args)).toEqual({ code: 2, out: "", error: `trace-trim: ${sentence}. See --help.\n` });
});
