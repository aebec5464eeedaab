// Real guests, recorded from their boot on and replayed without any VMM: the last frame is what QEMU showed.

import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { logsPath } from "../../lab/qemu/cache.ts";
import { diffImages } from "../../lab/qemu/image.ts";
import { recordSession, type SessionName } from "../../lab/replay/guest-sessions.ts";
import { openRecording } from "../../src/transport/wire/record/reader.ts";
import { whereGuestsAre } from "./support/guests.ts";
import { decodePng } from "../support/png.ts";

const testTimeoutMs = 600_000;
const directory = mkdtempSync(join(tmpdir(), "fencepost-replay-e2e-"));
afterAll(() => rmSync(directory, { recursive: true }));

function replay(...args: string[]): { code: number; text: string } {
  const { exitCode, stdout, stderr } = Bun.spawnSync(["bun", "lab/replay/main.ts", ...args]);
  return { code: exitCode, text: stdout.toString() + stderr.toString() };
}

async function showsTheSame(name: SessionName): Promise<string> {
  const path = join(directory, name);
  const last = await recordSession(name, path, join(logsPath, `replay-${name}`));
  const recording = openRecording(path);
  const frames = recording.chunks.reduce((sum, one) => sum + one.frames, 0);
  expect(recording.ending.reason).toBe("stopped");
  recording.close();
  const { code, text } = replay(path, "--compare");
  expect(text).toContain("nothing differs");
  expect(code).toBe(0);
  expect(replay(path, "--frame", String(frames - 1), "--png", directory).code).toBe(0);
  const png = decodePng(readFileSync(join(directory, `frame-${frames - 1}-scanout-0.png`)));
  const { width, height } = png;
  const shown = { width, height, pixels: Uint32Array.from(png.pixels, (pixel) => pixel >>> 8) };
  expect(diffImages(shown, last)).toBeNull();
  return path;
}

whereGuestsAre(() => {
  test(
    "a boot with page flips, of 2D alone, is the same on virgl and software too",
    async () => {
      const path = await showsTheSame("boot-6.12");
      const { code, text } = replay("--bisect", "virgl", "software", path);
      expect(text).toContain("frames are the same on virgl and software");
      expect(code).toBe(0);
    },
    testTimeoutMs,
  );

  test("a boot with kmscube on virgl", async () => void (await showsTheSame("cube-6.12")), testTimeoutMs);
});
