// Recordings that were cut, damaged or made up: each program for them does what it can with the part that is whole, or says in
// one line that there is none.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as commands from "../../lab/driver/commands.ts";
import { ServerProcess } from "../../lab/vmm/server-process.ts";
import { ChunkHead } from "../../src/transport/wire/record/layout.ts";
import { RecordingError } from "../../src/transport/wire/record/recording-error.ts";
import { openRecording } from "../../src/transport/wire/record/reader.ts";
import { type Recording, totalsOf } from "../../src/transport/wire/record/recording.ts";
import { Format } from "../../src/transport/wire/virtio-gpu/protocol.ts";
import { type Chance, chanceOf } from "../../lab/fuzz/chance.ts";
import { runProgram } from "../support/run-program.ts";
import { Tape } from "../support/tape.ts";
import { TapedScreen } from "../support/taped-screen.ts";

const directory = mkdtempSync(join(tmpdir(), "fencepost-damaged-"));
const file = join(directory, "recording");
const output = join(directory, "out");
let server: ServerProcess;
beforeAll(async () => {
  server = await ServerProcess.start({ args: ["--renderer", "software"] });
});
afterAll(async () => {
  rmSync(directory, { recursive: true });
  expect(await server.stop()).toBe(0);
});

const programs = {
  "trace-info": () => runProgram("trace-info", file),
  "trace-trim of all": () => runProgram("trace-trim", file, "--blank", "-o", output),
  "trace-trim of a frame": () => runProgram("trace-trim", file, "--frame", "0", "-o", output),
  replay: () => runProgram("replay", file, "--compare", "--socket-path", server.socketPath),
} as const;

const side = 24;
const all = { x: 0, y: 0, width: side, height: side };

/** A picture that does not pack in each of some chunks. */
function tapeOfChunks(): Buffer {
  const tape = new Tape({ hasChecksums: true });
  const screen = new TapedScreen(tape, 1, side, side);
  for (let frame = 0; frame < 4; frame++) {
    for (let y = 0; y < side; y++) {
      screen.transfer({ x: 0, y, width: side, height: 1 }, Bun.hash.crc32(`${frame} ${y}`));
    }
    screen.flush(all);
    tape.writer.flush();
  }
  return tape.end();
}

const whole = tapeOfChunks();
const cuts = Array.from({ length: Math.ceil(whole.length / 1000) }, (_, index) => index * 1000);

describe("a recording that is cut at every 1,000th byte", () => {
  test("is long enough to be cut in each of its chunks", () => {
    writeFileSync(file, whole);
    const recording = openRecording(file);
    const ends = recording.chunks.map(({ at, storedBytes }) => at + ChunkHead.bytes + storedBytes);
    recording.close();
    expect(ends.length).toBeGreaterThanOrEqual(4);
    const chunkOf = (cut: number): number => ends.filter((end) => end <= cut).length;
    expect(new Set(cuts.map(chunkOf)).size).toBeGreaterThanOrEqual(4);
  });

  test.each(cuts)("%d bytes are played, told and trimmed as far as they are whole", (cut) => {
    writeFileSync(file, whole.subarray(0, cut));
    rmSync(output, { force: true });
    const ended = Object.fromEntries(Object.entries(programs).map(([name, call]) => [name, call()]));
    const part = wholePart();
    if (part === null) {
      for (const { code, error } of Object.values(ended)) {
        expect(error).toMatch(/^[a-z-]+: this (is no recording|recording holds no whole chunk)\n$/);
        expect(code).toBe(1);
      }
      expect(existsSync(output)).toBe(false);
      return;
    }
    const { "trace-info": info, "trace-trim of all": trimmed, replay } = ended;
    const { commands: commandCount, frames, at } = part;
    expect(info).toMatchObject({ code: 0, error: "" });
    expect(info!.out).toContain(`frames       ${frames}\n`);
    expect(info!.out).toContain(
      `ending       ${at === null ? "stopped: as asked" : `the file ends here, at byte ${at}`}\n`,
    );
    expect(trimmed).toMatchObject({ code: 0, error: "" });
    const copy = openRecording(output);
    expect(totalsOf(copy)).toMatchObject({ commands: commandCount, frames });
    expect(copy.ending.reason).toBe(at === null ? "stopped" : "crashed");
    copy.close();
    expect(replay).toMatchObject({ code: 0, error: "" });
    expect(replay!.out).toContain(`played to command ${commandCount}, frame ${frames},`);
    if (at !== null) {
      expect(replay!.out).toContain(`the recording is cut: the file ends here, at byte ${at}\n`);
    }
  });
});

/** What there is of the file, and from where on nothing is: null where it only lacks its index. Null where it has no chunk. */
function wholePart(): { commands: number; frames: number; at: number | null } | null {
  let recording: Recording;
  try {
    recording = openRecording(file);
  } catch (error) {
    if (!(error instanceof RecordingError)) throw error;
    return null;
  }
  const { ending } = recording;
  const { commands: commandCount, frames } = totalsOf(recording);
  recording.close();
  return { commands: commandCount, frames, at: ending.reason === "cut" ? ending.at : null };
}

/** `whole` with some bytes changed. */
function damaged(chance: Chance): Uint8Array {
  const bytes = new Uint8Array(whole);
  for (let count = 1 + chance(8); count > 0; count--) bytes[chance(bytes.length)]! ^= 1 + chance(255);
  return bytes;
}

/** Answers say that it all went well, which no server would. */
function impossible(chance: Chance): Buffer {
  const tape = new Tape();
  const sizes = [0, 1, 8191, 16_384, 65_535, 2 ** 31, 2 ** 32 - 1];
  const any = (): number => sizes[chance(sizes.length)]!;
  for (let id = 1; id < 8; id++) {
    tape.command(commands.createResource2d(id, Format.B8G8R8A8, any(), any()));
    const rect = { x: any(), y: any(), width: any(), height: any() };
    const shown = chance(2) === 0 ? rect : { ...rect, x: 0, y: 0 };
    tape.command(commands.setScanout(chance(4), id, shown));
    tape.command(commands.transferToHost2d(id, rect, any()), {
      during: () =>
        tape.add(
          "bytes",
          { resource: id, offsetLow: any(), offsetHigh: any(), rowBytes: any(), stride: any() },
          new Uint8Array(chance(2000)),
        ),
    });
    tape.command(commands.updateCursor({ scanoutId: chance(20), x: any(), y: any() }, id), { queue: 1 });
    tape.command(commands.flushResource(id, rect), {
      during: () => tape.add("frame", { scanouts: any(), resource: id, ...shown }),
    });
  }
  return tape.end();
}

describe.each([
  ["of which bytes have changed", damaged],
  ["that tells what cannot be", impossible],
])("a recording %s", (_, make) => {
  test.each([1, 2, 3])("takes no program by surprise (%d)", (seed) => {
    writeFileSync(file, make(chanceOf(seed)));
    for (const [name, call] of Object.entries(programs)) {
      rmSync(output, { force: true });
      const { code, out, error } = call();
      expect([name, code]).toBeOneOf([0, 1, 3].map((one) => [name, one]));
      // Bun's own words for what nobody has caught.
      expect(`${name}: ${out}${error}`).not.toMatch(/^\s+at |Bun v|^error:/m);
      expect(error.trimEnd().split("\n").length).toBeLessThanOrEqual(1);
      if (code === 1) expect(existsSync(output)).toBe(false);
    }
  });
});
