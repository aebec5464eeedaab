// `bun run replay`: plays recordings to a real server, and finds what is not as it was.

import { afterAll, afterEach, expect, test } from "bun:test";
import {
  cpSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as commands from "../../../lab/driver/commands.ts";
import { ServerProcess } from "../../../lab/vmm/server-process.ts";
import { entryFields } from "../../../src/transport/wire/record/entries.ts";
import { type Chance, chanceOf } from "../../../lab/fuzz/chance.ts";
import { Command, Feature, Format, Response } from "../../../src/transport/wire/virtio-gpu/protocol.ts";
import { runProgram } from "../../support/run-program.ts";
import { Tape } from "../../support/tape.ts";
import { TapedScreen } from "../../support/taped-screen.ts";
import { decodePng } from "../../support/png.ts";
import { commandOf } from "../../support/programs.ts";

const directory = mkdtempSync(join(tmpdir(), "fencepost-replay-"));
afterAll(() => rmSync(directory, { recursive: true }));
const file = join(directory, "recording");

function replay(...args: string[]): { code: number; out: string; error: string } {
  return runProgram("replay", ...args);
}

const all = { x: 0, y: 0, width: 100, height: 80 };

/** A guest that draws in every format, at places and sizes of all sorts, with checksums or without. */
function tapeOfAllFormats(checksums: boolean): Buffer {
  const tape = new Tape({ hasChecksums: checksums });
  Object.values(Format).forEach((format, index) => {
    const screen = new TapedScreen(tape, index + 1, 100, 80, format);
    screen.draw(all, 0x11_22_33_00 + index, checksums);
    screen.draw({ x: 7, y: 9, width: 31, height: 22 }, 0xa0_b0_c0_d0, checksums);
    tape.command(commands.unrefResource(index + 1));
  });
  return tape.end();
}

test("shows what was recorded, in every format, with scattered backing", () => {
  writeFileSync(file, tapeOfAllFormats(false));
  expect(replay(file, "--compare")).toMatchObject({ code: 0, error: "" });
  expect(replay(file, "--compare").out).toContain("16 pictures as recorded; nothing differs");
}, 60_000);

test("a recording that shows nothing is not called the same", () => {
  const tape = new Tape({ features: 1 << Feature.EDID });
  for (const queue of [0, 1]) tape.add("ring", { queue, running: 1, features: 2, num: 64 });
  tape.command(commands.createResource2d(1, Format.B8G8R8X8, 8, 8));
  writeFileSync(file, tape.end());
  const { code, out } = replay(file, "--compare");
  expect([code, out]).toEqual([
    0,
    expect.stringContaining("there was no picture to compare; nothing else differs"),
  ]);
});

test("a guest that asks for UUIDs is answered with others, and nothing differs", () => {
  const tape = new Tape({ features: (1 << Feature.EDID) | (1 << Feature.RESOURCE_UUID) });
  for (const queue of [0, 1]) tape.add("ring", { queue, running: 1, features: 6, num: 64 });
  const screen = new TapedScreen(tape, 1, 100, 80, Format.B8G8R8X8);
  tape.command(commands.assignUuid(1), { type: Response.OK_RESOURCE_UUID });
  tape.command(commands.assignUuid(2), { type: Response.ERR_INVALID_RESOURCE_ID });
  screen.draw(all, 0x11_22_33_00, true);
  writeFileSync(file, tape.end());
  const { code, out } = replay(file, "--compare");
  expect(out).toContain("1 picture as recorded; nothing differs");
  expect(code).toBe(0);
}, 60_000);

test("finds checksums of pictures that are as recorded", () => {
  writeFileSync(file, tapeOfAllFormats(true));
  const { code, out } = replay(file, "--compare");
  expect(out).toContain("16 pictures as recorded; nothing differs");
  expect(code).toBe(0);
}, 60_000);

test("saves the picture of a frame, and plays no further", () => {
  const tape = new Tape();
  const screen = new TapedScreen(tape, 1, 100, 80);
  screen.draw(all, 0x11_22_33);
  screen.draw({ x: 10, y: 10, width: 20, height: 20 }, 0x44_55_66);
  const wanted = screen.shown();
  screen.draw(all, 0);
  writeFileSync(file, tape.end());
  const { code, out } = replay(file, "--frame", "1", "--png", directory);
  expect(out).toContain("frame 2,");
  expect(code).toBe(0);
  const png = decodePng(readFileSync(join(directory, "frame-1-scanout-0.png")));
  expect([png.width, png.height]).toEqual([100, 80]);
  expect(png.pixels.map((pixel) => pixel >>> 8)).toEqual([...wanted]);
}, 60_000);

/** A checkout whose server leaves out the last row of transfers that are 20 pixels wide. */
function brokenCheckout(): string {
  const checkout = join(directory, "broken");
  for (const name of ["src", "package.json", "bunfig.toml"])
    cpSync(name, join(checkout, name), { recursive: true });
  symlinkSync(join(process.cwd(), "node_modules"), join(checkout, "node_modules"));
  const path = join(checkout, "src/actors/gpu/pixels/cpu-pixels.ts");
  const text = readFileSync(path, "utf8");
  const span = "const span = stride * (height - 1) + rowBytes;";
  expect(text).toContain(span);
  writeFileSync(path, text.replace(span, span.replace("height", "height - (width === 20 ? 1 : 0)")));
  return checkout;
}

test("names the command, the rectangle and the pixel where pictures differ, and saves both", () => {
  const tape = new Tape();
  const screen = new TapedScreen(tape, 1, 100, 80);
  screen.draw(all, 0x11_22_33);
  screen.transfer({ x: 10, y: 30, width: 20, height: 20 }, 0x44_55_66);
  screen.transfer({ x: 50, y: 30, width: 10, height: 20 }, 0x77_88_99);
  screen.flush({ x: 10, y: 20, width: 60, height: 40 });
  writeFileSync(file, tape.end());
  const broken = `@${brokenCheckout()}`;

  const compared = replay(file, "--server", broken, "--compare");
  expect(compared.out).toContain("1 picture as recorded; 1 differences, the first after command 7: ");
  expect(compared.out).toContain("RESOURCE_FLUSH shows another picture on scanout 0 in 60x40+10+20: ");
  expect(compared.out).toContain("the first pixel is 10,49, #445566 before and #11223d now");
  expect(compared.code).toBe(3);
  const saved = ["recorded", "replayed"].map((name) =>
    decodePng(readFileSync(join(`${file}.differs`, `command-7-${name}.png`))),
  );
  const at = 49 * 100 + 10;
  expect(saved.map(({ pixels }) => pixels[at]! >>> 8)).toEqual([0x44_55_66, 0x11_22_3d]);

  const found = replay("--bisect", broken, "software", file);
  expect(found.out).toContain("the first command after which they differ is 5: TRANSFER_TO_HOST_2D: ");
  expect(found.code).toBe(3);
  expect(replay("--bisect", "virgl", "software --storage memfd", file)).toMatchObject({
    code: 0,
    out: "2 frames are the same on virgl and software --storage memfd\n",
  });
}, 120_000);

test.each([
  ["--frame", "1", "no frame 1: there are 1"],
  ["--to", "5", "no command 5: there are 5"],
])("says in one line that a recording is too short for %s %s", (flag, number, sentence) => {
  const tape = new Tape();
  new TapedScreen(tape, 1, 100, 80).draw(all, 0x11_22_33);
  writeFileSync(file, tape.end());
  const error = `replay: this recording has ${sentence}\n`;
  expect(replay(file, flag, number, "--png", directory)).toEqual({ code: 1, out: "", error });
});

test("names an answer that is another", () => {
  const tape = new Tape();
  tape.command(commands.createResource2d(1, Format.B8G8R8X8, 10, 10));
  tape.command(commands.unrefResource(2), { type: Response.OK_NODATA });
  tape.command(commands.unrefResource(3), { type: Response.ERR_INVALID_RESOURCE_ID });
  writeFileSync(file, tape.end());
  const { code, out } = replay(file, "--compare");
  expect(out).toContain("1 differences, the first after command 1: RESOURCE_UNREF was answered OK_NODATA");
  expect(code).toBe(3);
}, 60_000);

test("plays what is whole of a recording that was cut, and says where it ends", () => {
  const tape = new Tape();
  const screen = new TapedScreen(tape, 1, 100, 80);
  screen.draw(all, 0x11_22_33);
  tape.writer.flush();
  const whole = tape.bytes().length;
  screen.draw(all, 0x44_55_66);
  writeFileSync(file, tape.end().subarray(0, whole + 100));
  const { code, out } = replay(file, "--compare");
  expect(out).toContain("played to command 5, frame 1,");
  expect(out).toContain(`the recording is cut: the file ends here, at byte ${whole}\n`);
  expect(code).toBe(0);
}, 60_000);

test("says in one line that a chunk is damaged, and nothing of the server's", () => {
  const tape = new Tape();
  const screen = new TapedScreen(tape, 1, 100, 80);
  tape.writer.flush();
  const damaged = tape.bytes().length + 100;
  screen.draw(all, 0x11_22_33);
  const bytes = tape.end();
  bytes[damaged]! ^= 1;
  writeFileSync(file, bytes);
  const { code, error } = replay(file);
  expect(error).toMatch(/^replay: chunk \d+ at byte \d+ has another checksum than its bytes\n$/);
  expect(code).toBe(1);
}, 60_000);

test("says why a recording ended that nobody had stop", () => {
  const tape = new Tape();
  new TapedScreen(tape, 1, 100, 80).draw(all, 0x11_22_33);
  tape.writer.end(tape.time, { reason: "too-slow", text: "the disk was too slow for the guest" });
  writeFileSync(file, tape.bytes());
  const { code, out } = replay(file);
  expect(out).toContain("\nthe recording ended before its time: the disk was too slow for the guest\n");
  expect(code).toBe(0);
}, 60_000);

test("plays a recording that trace-trim has made, and that is nobody else's", () => {
  const tape = new Tape();
  const screen = new TapedScreen(tape, 1, 100, 80);
  for (let index = 0; index < 20; index++) screen.draw({ x: 3, y: index, width: 90, height: 9 }, index * 7);
  writeFileSync(file, tape.end());
  const cut = join(directory, "cut");
  const command = ["bun", "src/cli/trace-trim.ts", file, "-o", cut, "--frame", "12", "--frame", "15"];
  expect(Bun.spawnSync(command).exitCode).toBe(0);
  expect(statSync(cut).mode & 0o777).toBe(0o600);
  const { code, out } = replay(cut, "--compare");
  expect(out).toContain("2 pictures as recorded; nothing differs");
  expect(code).toBe(0);
  // What is there is not overwritten.
  expect(Bun.spawnSync(command).exitCode).toBe(1);
}, 60_000);

test("says that no picture was shown to be saved, and makes no folder for it", () => {
  const tape = new Tape();
  tape.add("keyframe", { features: 2, contexts: 1, rendered: 3 });
  tape.add("keyframeEnd", {});
  tape.command(commands.getDisplayInfo());
  writeFileSync(file, tape.end());
  const { code, out } = replay(file, "--png", join(directory, "none"));
  expect(out).toContain("no picture was saved");
  expect(out).toContain("the recording has nothing");
  expect(code).toBe(0);
  expect(existsSync(join(directory, "none"))).toBeFalse();
}, 60_000);

test("begins with a keyframe, and needs nothing from before it", () => {
  const tape = new Tape();
  tape.command(commands.createResource2d(9, Format.B8G8R8X8, 10, 10));
  tape.writer.flush();
  const [width, height] = [100, 80];
  const pixels = new Uint32Array(width * height).fill(0x0a_0b_0c);
  const backing = tape.allocate(width * height * 4);
  tape.add("keyframe", { features: 2 });
  // The cursor queue goes on meanwhile.
  tape.command(commands.moveCursor({ scanoutId: 0, x: 3, y: 4 }, 0), { queue: 1 });
  tape.add("resource", { id: 1, format: Format.B8G8R8X8, width, height, flags: 2 });
  tape.add(
    "backing",
    { resource: 1 },
    new Uint8Array(new BigUint64Array([BigInt(backing.address), BigInt(backing.length)]).buffer),
  );
  tape.add("pixels", { resource: 1, row: 0, rows: height }, new Uint8Array(pixels.buffer));
  tape.add("scanout", { scanout: 0, resource: 1, width, height });
  tape.add("keyframeEnd", {});
  // What is transferred next is a part: the rest must be there already.
  tape.command(commands.transferToHost2d(1, { x: 1, y: 1, width: 1, height: 1 }, 404), {
    during: () =>
      tape.add(
        "bytes",
        { resource: 1, offsetLow: 404, rowBytes: 4, stride: 400 },
        new Uint8Array(new Uint32Array([0x0d_0e_0f]).buffer),
      ),
  });
  tape.command(commands.flushResource(1, all), {
    during: () => tape.add("frame", { scanouts: 1, resource: 1, ...all }),
  });
  writeFileSync(file, tape.end());
  const { code, out } = replay(file, "--frame", "0", "--png", directory);
  expect(out).toContain("played to command 4, frame 1,");
  expect(code).toBe(0);
  const png = decodePng(readFileSync(join(directory, "frame-0-scanout-0.png")));
  pixels[101] = 0x0d_0e_0f;
  expect(png.pixels.map((pixel) => pixel >>> 8)).toEqual([...pixels]);
}, 60_000);

test.each([
  [["--fast", "--realtime", "x"], "give --fast or --realtime, not both"],
  [["--bisect", "virgl", "x"], "--bisect wants A, B and a recording"],
  [["--frame", "-1", "x"], "Option '--frame' has no value"],
  [["x", "--renderer", "vulkan"], "vulkan: want one of"],
  [[], "want the path of one recording"],
])(
  "says what is wrong with %p",
  (args, sentence) => {
    const path = args.includes("x") ? args.map((arg) => (arg === "x" ? file : arg)) : args;
    const { code, error } = replay(...path);
    expect(error).toContain(sentence);
    expect(code).toBe(2);
  },
  60_000,
);

test("says in one line what is no recording, and what is not there", () => {
  writeFileSync(file, "something else");
  expect(replay(file)).toMatchObject({ code: 1, error: "replay: this is no recording\n" });
  expect(replay(`${file}.absent`)).toMatchObject({
    ...{ code: 1, error: `replay: there is no file ${file}.absent\n` },
  });
}, 60_000);

test("says in one line where pictures cannot go", () => {
  const tape = new Tape();
  new TapedScreen(tape, 1, 100, 80).draw(all, 0x11_22_33);
  writeFileSync(file, tape.end());
  const { code, error } = replay(file, "--png", join(file, "folder"));
  expect(error).toBe(`replay: ${file}/folder goes through what is no folder\n`);
  expect(code).toBe(1);
}, 60_000);

let child: Bun.Subprocess | null = null;
afterEach(async () => {
  child?.kill("SIGKILL");
  await child?.exited;
  child = null;
});

/** A replay that shows its page, and how it ended. */
async function inspected(
  ...args: string[]
): Promise<{ until: (text: string) => Promise<string>; stop: () => Promise<number> }> {
  child = Bun.spawn([...commandOf("replay"), file, "--inspect", ...args], {
    stdout: "pipe",
    stderr: "inherit",
  });
  const { exited, stdout } = child;
  const reader = (stdout as ReadableStream<Uint8Array>).getReader();
  let out = "";
  const until = async (text: string): Promise<string> => {
    while (!out.includes(text)) {
      const { done, value } = await reader.read();
      if (done) throw new Error(`it has ended: ${out}`);
      out += new TextDecoder().decode(value);
    }
    return out;
  };
  const stop = async (): Promise<number> => {
    child!.kill("SIGINT");
    return await exited;
  };
  return { until, stop };
}

test("Ctrl-C ends a replay at the recorded pace at once, and the server with it", async () => {
  const tape = new Tape();
  const screen = new TapedScreen(tape, 1, 100, 80);
  screen.draw(all, 0x11_22_33);
  tape.time += 3600e9;
  screen.draw(all, 0x44_55_66);
  writeFileSync(file, tape.end());
  const { until, stop } = await inspected("--realtime");
  const [url] = /http:\S+/.exec(await until("http:"))!;
  expect((await fetch(url, { redirect: "manual" })).status).toBeLessThan(400);
  expect(await stop()).toBe(130);
  await expect(fetch(url)).rejects.toThrow();
}, 60_000);

test("stays with --inspect when all is played, for browsers to look at", async () => {
  const tape = new Tape();
  new TapedScreen(tape, 1, 100, 80).draw(all, 0x11_22_33);
  writeFileSync(file, tape.end());
  const { until, stop } = await inspected();
  const out = await until("stays here until Ctrl-C");
  expect(out).toContain("played to command 5, frame 1,");
  const [url] = /http:\S+/.exec(out)!;
  expect((await fetch(url, { redirect: "manual" })).status).toBeLessThan(400);
  expect(await stop()).toBe(0);
}, 60_000);

test("plays to a server that runs already, and that may end", async () => {
  const tape = new Tape();
  const screen = new TapedScreen(tape, 1, 100, 80);
  screen.draw(all, 0x11_22_33);
  writeFileSync(file, tape.end());
  const server = await ServerProcess.start({ args: ["--renderer", "software"] });
  try {
    expect(replay(file, "--socket-path", server.socketPath, "--compare")).toMatchObject({ code: 0 });
  } finally {
    expect(await server.stop()).toBe(0);
  }
}, 60_000);

test("plays what it can of a recording that began amid 3D, and says what it lacks", () => {
  const tape = new Tape({ isFromStart: false });
  tape.add("keyframe", { features: 2, contexts: 2, rendered: 1 });
  tape.add("resource", { id: 7, format: Format.B8G8R8X8, width: 8, height: 8, flags: 1 });
  tape.add("keyframeEnd", {});
  tape.command(commands.flushResource(7, { x: 0, y: 0, width: 8, height: 8 }));
  new TapedScreen(tape, 1, 100, 80).draw(all, 0x11_22_33);
  writeFileSync(file, tape.end());
  const { out } = replay(file, "--compare");
  expect(out).toContain("the recording has nothing of 2 contexts and 1 resources of a renderer");
  expect(out).toContain(
    "1 picture as recorded; 1 differences, the first after command 0: RESOURCE_FLUSH was answered",
  );
}, 60_000);

test("follows a guest whose memory changes and whose driver starts anew", () => {
  const tape = new Tape();
  new TapedScreen(tape, 1, 100, 80).draw(all, 0x11_22_33);
  // A BIOS' driver and the system's, which has more memory.
  for (const queue of [0, 1]) tape.add("ring", { queue });
  tape.memory([
    { address: 0, length: 64 * 1024 * 1024 },
    { address: 2 ** 32, length: 16 * 1024 * 1024 },
  ]);
  for (const queue of [0, 1]) tape.add("reset", { queue });
  for (const queue of [0, 1]) tape.add("ring", { queue, running: 1, features: 2 });
  const screen = new TapedScreen(tape, 1, 100, 80);
  screen.draw(all, 0x44_55_66);
  tape.memory([{ address: 0, length: 64 * 1024 * 1024 }]);
  screen.draw(all, 0x77_88_99);
  writeFileSync(file, tape.end());
  const { code, out } = replay(file, "--compare");
  expect(out).toContain("3 pictures as recorded; nothing differs");
  expect(code).toBe(0);
}, 60_000);

test.each([
  [[{ address: 0, length: 2 ** 52 }], "memory that none can have"],
  [[{ address: 1, length: 4096 }], "memory that none can have"],
  [[0, 4096].map((address) => ({ address, length: 8192 })), "memory that overlaps"],
])(
  "says of memory that no guest has what is wrong with it: %j",
  (regions, sentence) => {
    const tape = new Tape();
    tape.memory(regions);
    tape.command(commands.getEdid(0));
    writeFileSync(file, tape.end());
    const { code, error } = replay(file);
    expect(error).toContain(sentence);
    expect(code).toBe(1);
  },
  60_000,
);

test("takes a recording of nonsense for what it is, and the server goes on", async () => {
  const server = await ServerProcess.start({ args: ["--renderer", "software"] });
  const chance = chanceOf(1);
  try {
    for (let round = 0; round < 12; round++) {
      writeFileSync(file, nonsense(chance));
      const { code, out, error } = replay(file, "--socket-path", server.socketPath);
      // One line for what it is, and no exception.
      expect([0, 1]).toContain(code);
      expect(error.trimEnd().split("\n")).toHaveLength(1);
      expect(out + error).not.toContain("    at ");
    }
  } finally {
    expect(await server.stop()).toBe(0);
  }
}, 120_000);

/** Entries of every kind in a file that is whole, with numbers and bodies of all sorts. */
function nonsense(chance: Chance): Buffer {
  const tape = new Tape();
  const { start: _, end: __, missing: ___, memory: ____, ...kinds } = entryFields;
  const names = Object.keys(kinds) as (keyof typeof kinds)[];
  const types = Object.values(Command);
  const numbers = [0, 1, 2, 3, 64, 4096, 2 ** 20, 2 ** 31, 2 ** 32 - 1];
  for (let index = 0; index < 150; index++) {
    const kind = chance(2) === 0 ? "command" : names[chance(names.length)]!;
    const fields = entryFields[kind].map((field) => [field, numbers[chance(numbers.length)]!]);
    // The writer has no place for a body of what ends a keyframe.
    const words = kind === "keyframeEnd" || chance(3) === 0 ? 0 : 4 * chance(20);
    const body = new Uint32Array(words).map(() => numbers[chance(numbers.length)]!);
    if (kind === "command" && body.length > 0) body[0] = types[chance(types.length)]!;
    const queue = kind === "command" ? { queue: chance(2) } : {};
    tape.add(kind, { ...Object.fromEntries(fields), ...queue }, new Uint8Array(body.buffer));
  }
  return tape.end();
}
