// `bun bench --guest`: what it reads out of a guest's answers and QEMU's console, and one guest that is really measured.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { figuresOf } from "../../bench/guest/figures.ts";
import { agesOf, parseLoad, shownFrames } from "../../bench/guest/frames.ts";
import { guestLoads } from "../../bench/guest/load.ts";
import type { Run } from "../../bench/guest/session.ts";
import type { RunReport } from "../../bench/report/run-report.ts";
import { bound } from "../../lab/bound-child.ts";
import { missingParts } from "../../lab/qemu/cache.ts";
import { parsePictures } from "../../lab/qemu/console-observer.ts";
import { hostTimes } from "../../lab/qemu/guest-clock.ts";
import { traceTimes } from "../../lab/qemu/trace.ts";
import { childrenOf } from "../support/children.ts";

const limitMs = 120_000;
const main = join(import.meta.dir, "../../bench/main.ts");
const stamp = (frame: number): number => 0x5a0000 | (frame & 0xffff);
const load = (name: string) => guestLoads.find((one) => one.name === name)!;

describe("a guest's answer", () => {
  test("tells when each frame was given, whichever line it is on", () => {
    expect(parseLoad(["ran 4 7000 950 30", "at 0 64 c8", "at 1"])).toEqual({
      count: 4,
      firstNumber: 30,
      startUs: 7000,
      durationUs: 950,
      givenUs: [0, 100, 300, 301],
    });
  });

  test("is refused when it is another, or lacks frames", () => {
    expect(() => parseLoad(["nonsense"])).toThrow("the guest says of its load: nonsense");
    expect(() => parseLoad(["ran 3 0 950 0", "at 0 64"])).toThrow("tells 2 of its 3 frames");
  });

  test("is in the host's time by two readings of both clocks, whose rates differ", () => {
    const host = hostTimes(
      { guestUs: 100, hostUs: 5000, errorUs: 1 },
      { guestUs: 1100, hostUs: 7000, errorUs: 1 },
    );
    expect([100, 600, 1100].map(host)).toEqual([5000, 6000, 7000]);
  });
});

describe("a program that draws with GL", () => {
  const parse = (name: string, lines: string[]) => {
    const gl = load(name);
    if (gl.kind !== "gl") throw new Error(`${name} is none`);
    return gl.parse(lines);
  };

  test("tells its frames in a line, or else what it says is the error", () => {
    const lines = ["renderer virgl (LLVMPIPE)", "warm", "ran 274 7829749 1001108"];
    expect(parse("gl/offscreen", lines)).toEqual({ count: 274, durationUs: 1_001_108 });
    expect(() => parse("gl/offscreen", ["GL is not to be had"])).toThrow("says: GL is not to be had");
  });

  test("counts between kmscube's first report and its last", () => {
    const reports = [674, 1190, 1669].map(
      (frames, index) => `Rendered ${frames} frames in ${2 * (index + 1)}.000000 sec (300 fps)`,
    );
    expect(parse("kmscube/1280x800", ["renderer: …", ...reports, "user interrupted!"])).toEqual({
      count: 995,
      durationUs: 4_000_000,
    });
    expect(() => parse("kmscube/1280x800", reports.slice(0, 1))).toThrow("1 times only");
  });
});

describe("QEMU's console", () => {
  test("QEMU's trace tells when an event was, and of others nothing", () => {
    const flush = "4711@1764407983.000456:virtio_gpu_cmd_res_flush res 0x1, w 1280, h 800, x 0, y 0";
    const write = (value: number) =>
      `4711@1764407984.5${value}0000:memory_region_ops_write cpu 1 mr 0x55 addr 0x80 value 0x${value} size 1`;
    const lines = `QEMU says something\n${flush}\n${write(0)}\n${write(1)}\n`;
    expect(traceTimes(lines, "virtio_gpu_cmd_res_flush")).toEqual([1_764_407_983_000_456]);
    expect(traceTimes(lines, "memory_region_ops_write", "addr 0x80 value 0x1 ")).toEqual([
      1_764_407_984_510_000,
    ]);
  });

  test("pictures are read from what was written down in QEMU", () => {
    const bytes = new Uint8Array(32);
    new BigUint64Array(bytes.buffer).set([123n, 0x5a0007n, 456n, 0n]);
    expect(parsePictures(bytes)).toEqual([
      { atUs: 123, pixel: 0x5a0007 },
      { atUs: 456, pixel: 0 },
    ]);
  });

  test("a picture's frame is told by its stamp, past the stamp's 16 bits", () => {
    const frames = [32_000, 64_000, 65_534, 65_537, 65_536, 90_000];
    const pictures = frames.map((frame) => ({ atUs: frame, pixel: stamp(frame) }));
    const unstamped = { atUs: 0, pixel: 0x123456 };
    expect(shownFrames([...pictures, unstamped], 0).map(({ frame }) => frame)).toEqual(frames);
  });

  test("a picture that a load of before has left is no frame of this one", () => {
    const pictures = [69_999, 70_000, 70_002].map((number) => ({ atUs: number, pixel: stamp(number) }));
    expect(shownFrames(pictures, 70_000)).toEqual([
      { atUs: 70_000, frame: 0 },
      { atUs: 70_002, frame: 2 },
    ]);
  });

  test("where only flushes are known, each is the next frame", () => {
    const flushes = [10, 20].map((atUs) => ({ atUs, pixel: null }));
    expect(shownFrames(flushes, 0).map(({ frame }) => frame)).toEqual([0, 1]);
  });

  test("a picture's age counts from the first frame that the one before did not show", () => {
    const shown = [
      { atUs: 15, frame: 0 },
      // What was shown already makes nothing newer.
      { atUs: 40, frame: 0 },
      { atUs: 70, frame: 3 },
    ];
    expect(agesOf(shown, [10, 20, 30, 60])).toEqual([5, 50]);
  });
});

describe("a load's figures", () => {
  const run: Run = {
    durationUs: 2e6,
    count: 4,
    firstNumber: 0,
    givenUs: [0, 1000, 2000, 3000],
    pictures: [{ atUs: 4000, pixel: stamp(3) }],
    clockErrorUs: 100,
    cpu: { qemu: 6e6, backend: 2e6, writtenBytes: 2 ** 21, othersShare: 0.25 },
  };
  const medians = (name: string, of = run) =>
    Object.fromEntries(figuresOf(load(name), of).map(({ metric, median }) => [metric, median]));

  test("frames that the console never showed count for the guest, and not for the console", () => {
    expect(medians("flips/1280x800")).toEqual({
      rate: 2,
      "host CPU each": 2,
      "back-end CPU each": 0.5,
      "back-end writes": 1,
      "pictures on QEMU's console": 0.5,
      "host CPU a picture": 8,
      "CPUs busy with others": 25,
      "age of the picture": 4,
    });
  });

  test("what no console shows has no pictures", () => {
    expect(medians("cursor/moves/1-busy")).toEqual({
      rate: 2,
      "host CPU each": 2,
      "back-end CPU each": 0.5,
      "back-end writes": 1,
      "CPUs busy with others": 25,
    });
  });

  test("a latency without a picture is a failure, and so is a picture before its change", () => {
    expect(medians("latency/1280x800")).toEqual({ "flush to console": 4, "error of the clocks": 0.1 });
    expect(() => medians("latency/1280x800", { ...run, pictures: [] })).toThrow("showed none of the changes");
    const early = { atUs: -300, pixel: stamp(0) };
    expect(() => medians("latency/1280x800", { ...run, pictures: [early] })).toThrow("went apart");
  });
});

// A checkout that was set up without guests has none to measure.
if (missingParts().length === 0 || process.env["CI"]) {
  describe("a guest in QEMU", () => {
    let directory: string;
    beforeAll(() => {
      directory = mkdtempSync(join(tmpdir(), "fencepost-bench-test-"));
    });
    afterAll(() => rmSync(directory, { recursive: true }));

    test(
      "its frames are counted, and its console's pictures, and the last one is right",
      async () => {
        const json = join(directory, "run.json");
        const filter = "^(flips/1280x800|latency/1280x800)$";
        const args = ["--guest", "--quick", "--rounds", "1", "--filter", filter, "--no-peer", "--json", json];
        const child = Bun.spawn(bound([process.execPath, main, ...args]), { stdout: "pipe", stderr: "pipe" });
        const output = await child.stdout.text();
        expect(await child.exited).toBe(0);
        expect(output).toContain("Medians");
        const report = (await Bun.file(json).json()) as RunReport;
        expect(report.failures).toEqual([]);
        const medians = new Map(
          report.guest.map(({ metric, backends }) => [metric, backends["fencepost"]!.median]),
        );
        expect(medians.get("pictures on QEMU's console")!).toBeGreaterThan(0);
        expect(medians.get("rate")!).toBeGreaterThan(0);
        expect(medians.get("age of the picture")!).toBeGreaterThan(0);
        expect(medians.get("flush to console")!).toBeGreaterThan(0);
      },
      limitMs,
    );

    test(
      "an interrupt ends the server, QEMU and the run",
      async () => {
        const args = ["--guest", "--filter", "^flips", "--no-peer"];
        const child = Bun.spawn(bound([process.execPath, main, ...args]), { stdout: "pipe", stderr: "pipe" });
        let children: string[] = [];
        while (children.length < 2) {
          await Bun.sleep(20);
          children = await childrenOf(child.pid);
        }
        child.kill("SIGINT");
        expect(await child.exited).toBe(130);
        for (const pid of children) expect(await Bun.file(`/proc/${pid}/stat`).exists()).toBe(false);
      },
      limitMs,
    );
  });
}
