// What a guest does by chance is recorded, and a replay shows the same at every frame, bit by bit.

import { afterAll, expect, test } from "bun:test";
import fc from "fast-check";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { SyntheticGuest } from "../../lab/driver/synthetic-guest.ts";
import { ServerProcess } from "../../lab/vmm/server-process.ts";
import { openRecording } from "../../src/transport/wire/record/reader.ts";
import { driverPatienceMs } from "../support/patience.ts";
import { type Chance, chanceOf } from "../../lab/fuzz/chance.ts";
import { draw2d, draw3d } from "../support/random-guest.ts";
import { commandOf } from "../support/programs.ts";

const directory = mkdtempSync(join(tmpdir(), "fencepost-determinism-"));
afterAll(() => rmSync(directory, { recursive: true }));
const path = join(directory, "recording");

type Draw = (guest: SyntheticGuest, chance: Chance, steps: number) => void;

async function record(args: readonly string[], draw: Draw, seed: number): Promise<void> {
  rmSync(path, { force: true });
  const server = await ServerProcess.start({ args: [...args, "--record", path, "--record-checksums"] });
  try {
    const guest = SyntheticGuest.boot(server.socketPath, { patienceMs: driverPatienceMs });
    draw(guest, chanceOf(seed), 200);
    guest.stop();
    guest.close();
  } catch (error) {
    throw new Error(`${(error as Error).message}\n${server.log()}`, { cause: error });
  } finally {
    await server.stop();
  }
}

function replay(...args: string[]): { code: number; text: string } {
  const { exitCode, stdout, stderr } = Bun.spawnSync([...commandOf("replay"), path, ...args]);
  return { code: exitCode, text: stdout.toString() + stderr.toString() };
}

/** All that is recorded was looked at, and is as it was. */
function expectSame(): void {
  const recording = openRecording(path);
  const frames = recording.chunks.reduce((sum, one) => sum + one.frames, 0);
  const { hasChecksums } = recording.start;
  recording.close();
  expect([frames > 4, hasChecksums]).toEqual([true, true]);
  const { code, text } = replay("--compare");
  expect(text).toContain("nothing differs");
  expect(text).not.toContain("nothing is recorded");
  expect(text).not.toContain("did not come");
  expect(code).toBe(0);
}

test.each([
  ["software", draw2d],
  ["virgl", draw3d],
] as const)(
  "a replay on %p shows each frame as it was",
  async (renderer, draw) => {
    await fc.assert(
      fc.asyncProperty(fc.nat(), async (seed) => {
        await record(["--renderer", renderer], draw, seed);
        expectSame();
      }),
      { numRuns: 2, endOnFailure: true },
    );
  },
  300_000,
);
