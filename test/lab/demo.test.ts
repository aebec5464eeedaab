// The demo's arguments and figures, and one run of it.

import { bound } from "../../lab/bound-child.ts";
import { describe, expect, test } from "bun:test";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseDemoOptions } from "../../lab/demo/options.ts";
import { formatLatency, latencyOf } from "../../lab/demo/statistics.ts";
import { Boxes } from "../../lab/scenes/boxes.ts";
import { buildProgram, kvmTest } from "../support/kvm.ts";
import { openRecording } from "../../src/transport/wire/record/reader.ts";
import { totalsOf } from "../../src/transport/wire/record/recording.ts";
import { decodePng } from "../support/png.ts";
import { interruptDemo } from "../support/interrupted-demo.ts";
import { Terminal } from "../support/terminal.ts";
import { callOf, commandOf, testedExecutable } from "../support/programs.ts";

/** As in a terminal. */
const demo = testedExecutable === null ? `${process.execPath} run demo` : `${testedExecutable} demo`;

describe("arguments", () => {
  test("defaults", () => {
    expect(parseDemoOptions([])).toMatchObject({
      scene: "2d",
      seconds: 3,
      width: 1280,
      height: 800,
      qemu: false,
    });
  });

  test("given ones", () => {
    const options = parseDemoOptions(["--size", "640x480", "--seconds", "0.5", "--output", "a.png"]);
    expect(options).toMatchObject({ seconds: 0.5, width: 640, height: 480, output: "a.png" });
  });

  test("a 3D scene", () => {
    expect(parseDemoOptions(["--scene", "3d"])).toMatchObject({ scene: "3d" });
  });

  test("a guest with Vulkan, which the server itself shows", () => {
    const options = parseDemoOptions(["--qemu", "--vulkan", "--inspect", "--seconds", "5"]);
    expect(options).toMatchObject({ qemu: true, vulkan: true, inspect: true, seconds: 5 });
  });

  for (const [bad, sentence] of [
    [["--scene", "4d"], "--scene 4d: give 2d or 3d"],
    [["--seconds", "0"], "--seconds 0: give a number above 0, and 3600 at most"],
    [["--seconds", "soon"], "--seconds soon: give a number above 0, and 3600 at most"],
    [["--size", "640"], "--size 640: give WIDTHxHEIGHT"],
    [["--size", "10x10"], "--size 10x10: give WIDTHxHEIGHT, each from 64 to 4096"],
    [["--size", "99999x1000"], "each from 64 to 4096"],
    [["--wayland", "--qemu"], "leave out --wayland"],
    [["--wayland", "--server", "other"], "leave out --server"],
    [["--inspect", "--server", "other"], "--inspect is what Fencepost's server does: leave out --server"],
    [["--qemu", "--inspect"], "leave out --inspect"],
    [["--qemu", "--server", "other"], "leave out --server"],
    [["--qemu", "--scene", "2d", "--seconds", "3"], "leave out --scene and --seconds"],
    [["--qemu", "--size", "640x480"], "leave out --size"],
    [["--qemu", "--vulkan", "--scene", "2d"], "leave out --scene"],
    [["--vulkan"], "--vulkan boots a guest in QEMU: give --qemu too"],
    [["--kvm", "--qemu"], "--kvm runs another guest with a show of its own: leave out --qemu"],
    [["--kvm", "--scene", "2d"], "leave out --scene"],
    [["--linux"], "--linux boots a kernel on KVM: give --kvm too"],
    [["--server", " "], "--server wants a command"],
    [["--nonsense"], "Unknown option '--nonsense'"],
    [["--seconds", "-1"], "is written --seconds=-…"],
    [["stray"], "Unexpected argument 'stray'"],
  ] as const) {
    test(`${bad.join(" ")} is refused with a sentence`, () => {
      expect(() => parseDemoOptions(bad)).toThrow(sentence);
    });
  }
});

test("latencies are in microseconds and read well", () => {
  const samples = Float64Array.from({ length: 100 }, (_, at) => (100 - at) * 1000);
  expect(latencyOf(samples)).toEqual({ min: 1, median: 51, p99: 100 });
  expect(formatLatency({ min: 1.25, median: 51, p99: 12_345 })).toBe(
    "min 1.3 µs, median 51 µs, p99 12.35 ms",
  );
});

/** Runs the demo for a moment on a small screen, and reads the picture that it leaves, 0xRRGGBBAA a pixel. */
async function runDemo(
  args: readonly string[] = [],
  env: Record<string, string> = {},
): Promise<{ code: number; text: string; pixels: number[] | null }> {
  const directory = mkdtempSync(join(tmpdir(), "fencepost-demo-"));
  const output = join(directory, "last.png");
  try {
    // Guests on KVM are a checkout's.
    const command = args.includes("--kvm") ? [process.execPath, "lab/demo/main.ts"] : commandOf("demo");
    const run = Bun.spawn(
      bound([...command, "--seconds", "0.2", "--size", "320x200", "--output", output, ...args]),
      { stdout: "pipe", stderr: "pipe", env: { ...process.env, ...env } },
    );
    const [text, errors] = await Promise.all([
      new Response(run.stdout).text(),
      new Response(run.stderr).text(),
    ]);
    const code = await run.exited;
    const pixels = existsSync(output) ? decodePng(readFileSync(output)).pixels : null;
    return { code, text: text + errors, pixels };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

test("a short demo ends with code 0 and leaves a PNG", async () => {
  const { code, text, pixels } = await runDemo();
  expect({ code, text }).toEqual({ code: 0, text: expect.stringContaining("frames") });
  expect(pixels!.length).toBe(320 * 200);
}, 30_000);

test.each(["2d", "3d"])(
  "a short %s demo leaves a recording of it where it is asked to",
  async (scene) => {
    const directory = mkdtempSync(join(tmpdir(), "fencepost-demo-"));
    const path = join(directory, "recording");
    try {
      const { code, text } = await runDemo(["--scene", scene, "--record", path]);
      expect({ code, text }).toEqual({
        code: 0,
        text: expect.stringContaining(`${callOf("replay")} ${path} plays`),
      });
      const recording = openRecording(path);
      const { start, ending } = recording;
      expect([start.isFromStart, totalsOf(recording).frames > 0]).toEqual([true, true]);
      expect(ending.reason).toBe("stopped");
      recording.close();
    } finally {
      rmSync(directory, { recursive: true });
    }
  },
  60_000,
);

test("a short 3D demo leaves solids before a dark background", async () => {
  const { code, text, pixels } = await runDemo(["--scene", "3d"]);
  expect({ code, text }).toEqual({ code: 0, text: expect.stringContaining("renderer") });
  expect(pixels!.length).toBe(320 * 200);
  expect([pixels![0], pixels![319]]).toEqual([0x131724ff, 0x131724ff]);
  expect(new Set(pixels).size).toBeGreaterThan(1000);
}, 60_000);

kvmTest("a demo on KVM leaves what its guest has drawn", async () => {
  buildProgram();
  const { code, text, pixels } = await runDemo(["--kvm"]);
  expect({ code, text }).toEqual({ code: 0, text: expect.stringContaining("interrupts past the VMM") });
  const frame = new Uint32Array(320 * 200);
  new Boxes(frame, 320, 200).draw(0);
  // The sky's corners, where no box comes.
  for (const at of [0, 319, 199 * 320, 200 * 320 - 1])
    expect(pixels![at]).toBe(((frame[at]! << 8) | 0xff) >>> 0);
  expect(new Set(pixels).size).toBeGreaterThan(50);
});

test("a 3D demo with a server that has no 3D says so and ends with code 1", async () => {
  const server = `${process.execPath} ${join(import.meta.dir, "../../src/cli/server.ts")} --renderer software`;
  const { code, text, pixels } = await runDemo(["--scene", "3d", "--server", server]);
  expect({ code, text }).toEqual({ code: 1, text: expect.stringContaining("does not offer VIRGL") });
  expect(pixels).toBeNull();
}, 30_000);

describe("a Ctrl-C in a terminal ends the demo with code 130", () => {
  const cases: [string, string, string][] = [
    ["while it draws", "--seconds 60 --size 320x200", "s of animation"],
    ["while somebody could look", "--inspect --size 320x200", "actors"],
    ["while it draws in 3D", "--scene 3d --seconds 60 --size 320x200", "renderer   "],
  ];
  for (const [when, flags, shown] of cases) {
    test(`${when}, and the server in order`, async () => {
      expect(await interruptDemo(flags, shown, 200)).toEqual(["last.png"]);
    });
  }

  test("while its guest is held at a break", async () => {
    const directory = mkdtempSync(join(tmpdir(), "fencepost-demo-"));
    // It draws until then, however late the break is.
    const flags = `--inspect --seconds 60 --size 320x200 --output ${directory}/last.png`;
    const terminal = new Terminal(`${demo} ${flags}`, { TMPDIR: directory });
    await terminal.until("actors");
    const [control] = [...new Bun.Glob("*/gpu.sock.ctl").scanSync({ cwd: directory, onlyFiles: false })];
    const ctl = `${commandOf("ctl").join(" ")} --control-path ${join(directory, control!)}`;
    const holder = new Terminal(`${ctl} break type:flush`);
    await holder.until("the guest waits");
    terminal.pressCtrlC();

    const { code, text } = await terminal.ended(60_000);
    expect({ code, text }).toEqual({
      code: 130,
      text: expect.stringContaining("server     ended with code 0"),
    });
    expect(await holder.ended()).toMatchObject({ code: 1 });
    rmSync(directory, { recursive: true });
  });

  test("while its server starts", async () => {
    const directory = mkdtempSync(join(tmpdir(), "fencepost-demo-"));
    const silent = join(directory, "silent");
    writeFileSync(silent, "#!/bin/sh\necho > ${0%silent}started\nexec sleep 60\n", { mode: 0o755 });
    const terminal = new Terminal(`${demo} --server ${silent}`, { TMPDIR: directory });
    while (!existsSync(join(directory, "started"))) await Bun.sleep(5);
    terminal.pressCtrlC();

    expect(await terminal.ended()).toMatchObject({ code: 130, text: expect.not.stringContaining("failed") });
    expect(readdirSync(directory).toSorted()).toEqual(["silent", "started"]);
    rmSync(directory, { recursive: true });
  });
});

describe("what is missing is told before anything is drawn", () => {
  const none = join(tmpdir(), `fencepost-nobody-${process.pid}`);
  const cases: [string[], Record<string, string>, string][] = [
    [["--wayland"], { XDG_RUNTIME_DIR: none, WAYLAND_DISPLAY: "none" }, "no Wayland compositor is there"],
    [["--wayland"], { XDG_RUNTIME_DIR: "" }, "XDG_RUNTIME_DIR does not say"],
    [["--output", join(none, "a.png")], {}, `--output ${none}/a.png cannot be written (ENOENT)`],
    [["--output", tmpdir()], {}, "is a folder: name a file"],
    [["--server", "/nope/x --flag"], {}, "The demo failed: --server /nope/x: there is no such program\n"],
    [["--server", "nope-of-fencepost"], {}, "--server nope-of-fencepost: there is no such program"],
  ];
  for (const [args, env, sentence] of cases) {
    test(`${args[0]} ${sentence.split(" ").at(-1)}`, async () => {
      const started = performance.now();
      const { code, text } = await runDemo(args, env);
      expect({ code, text }).toEqual({ code: 1, text: expect.stringContaining(sentence) });
      expect(text).not.toContain("listening after");
      expect(performance.now() - started).toBeLessThan(5_000);
    });
  }
});

test("a wrong argument ends with code 2 and one line", async () => {
  const run = Bun.spawn([...commandOf("demo"), "--size", "big"], { stdout: "ignore", stderr: "pipe" });
  expect(await new Response(run.stderr).text()).toBe(
    `demo: --size big: give WIDTHxHEIGHT, each from 64 to 4096. See ${callOf("demo")} --help.\n`,
  );
  expect(await run.exited).toBe(2);
}, 30_000);
