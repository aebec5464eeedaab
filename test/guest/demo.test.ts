// The demo's arguments and figures, and one run of it.

import { describe, expect, test } from "bun:test";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseDemoOptions } from "../../src/guest/demo/options.ts";
import { formatLatency, latencyOf } from "../../src/guest/demo/statistics.ts";

const demo = join(import.meta.dir, "../../src/guest/demo/main.ts");

describe("arguments", () => {
  test("defaults", () => {
    expect(parseDemoOptions([])).toMatchObject({ seconds: 3, width: 1280, height: 800, qemu: false });
  });

  test("given ones", () => {
    const options = parseDemoOptions(["--size", "640x480", "--seconds", "0.5", "--output", "a.png"]);
    expect(options).toMatchObject({ seconds: 0.5, width: 640, height: 480, output: "a.png" });
  });

  for (const bad of [
    ["--seconds", "0"],
    ["--seconds", "soon"],
    ["--size", "640"],
    ["--size", "10x10"],
    ["--size", "99999x1000"],
    ["--nonsense"],
    ["stray"],
  ]) {
    test(`${bad.join(" ")} is refused`, () => {
      expect(() => parseDemoOptions(bad)).toThrow();
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

test("a short demo ends with code 0 and leaves a PNG", async () => {
  const directory = mkdtempSync(join(tmpdir(), "fencepost-demo-"));
  const output = join(directory, "last.png");
  try {
    const run = Bun.spawn(
      [process.execPath, demo, "--seconds", "0.2", "--size", "320x200", "--output", output],
      {
        stdout: "pipe",
        stderr: "pipe",
      },
    );
    const text = await new Response(run.stdout).text();
    expect(await run.exited).toBe(0);
    expect(text).toContain("frames");
    expect(existsSync(output)).toBe(true);
    const { width, height } = await new Bun.Image(await Bun.file(output).bytes()).metadata();
    expect({ width, height }).toEqual({ width: 320, height: 200 });
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}, 30_000);

test("a wrong argument ends with code 2 and the help", async () => {
  const run = Bun.spawn([process.execPath, demo, "--size", "big"], { stdout: "ignore", stderr: "pipe" });
  expect(await new Response(run.stderr).text()).toContain("--size WxH");
  expect(await run.exited).toBe(2);
}, 30_000);
