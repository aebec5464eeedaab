// `bun run replay --bisect` where a renderer draws one thing wrong: it names the stream that did, and no other command.

import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { areaOf } from "../../../lab/driver/gpu-driver.ts";
import { SyntheticGuest } from "../../../lab/driver/synthetic-guest.ts";
import * as virgl from "../../../lab/driver/virgl/index.ts";
import { ServerProcess } from "../../../lab/vmm/server-process.ts";
import { commandName, stepsOf, typeOf } from "../../../src/recording/steps.ts";
import { openRecording } from "../../../src/transport/wire/record/reader.ts";
import {
  clearTo,
  draw,
  makeContext,
  makeTexture,
  patient,
  rectangleBox,
  virglServer,
} from "../../device/3d-support.ts";
import { expectOk } from "../../device/support.ts";
import { decodePng } from "../../support/png.ts";
import { commandOf } from "../../support/programs.ts";

const directory = mkdtempSync(join(tmpdir(), "fencepost-bisect-"));
afterAll(() => rmSync(directory, { recursive: true }));
const file = join(directory, "recording");

type Colour = [number, number, number, number];
const green: Colour = [0, 128, 0, 255];
/** The one that the mistake is about: a red of exactly 0.25. */
const rare: Colour = [255 / 4, 0, 0, 255];
const blue: Colour = [0, 0, 255, 255];

/** Frames of several streams each; in one of them two streams, of which neither is the first or the last, clear to `rare`. */
async function record(): Promise<void> {
  const server = await ServerProcess.start({ args: [...virglServer, "--record", file] });
  const guest = SyntheticGuest.boot(server.socketPath, patient);
  try {
    makeContext(guest);
    const [width, height] = [64, 48];
    const screen = makeTexture(guest, 1, width, height);
    const stamp = makeTexture(guest, 2, 16, 16);
    expectOk(guest.gpu.setScanout(0, 1, areaOf(screen)));
    const frame = (...colours: Colour[]): void => {
      draw(guest, (stream) => clearTo(stream, stamp, green));
      for (const colour of colours) draw(guest, (stream) => clearTo(stream, screen, colour));
      // What comes after the mistake leaves it to be seen.
      draw(guest, (stream) =>
        virgl.resourceCopyRegion(
          stream,
          { resourceId: 1, x: 0, y: 0 },
          { resourceId: 2, box: rectangleBox(0, 0, 16, 16) },
        ),
      );
      expectOk(guest.gpu.flushResource(1, areaOf(screen)));
    };
    frame(blue);
    frame(green);
    // Nobody sees what is cleared over.
    frame(rare, green, rare);
    frame(blue);
  } finally {
    guest.close();
    await server.stop();
  }
}

/** The numbers of the streams, in their order. */
function streams(): number[] {
  const recording = openRecording(file);
  const commands = [...stepsOf(recording.entries())].filter((step) => step.kind === "step");
  recording.close();
  return commands.flatMap((step, number) => (commandName(typeOf(step)) === "SUBMIT_3D" ? [number] : []));
}

test("names the stream that a broken renderer draws wrong, and saves both pictures", async () => {
  const library = join(directory, "other-clear.so");
  const source = join(import.meta.dir, "other-clear.c");
  expect(Bun.spawnSync(["gcc", "-shared", "-fPIC", "-o", library, source]).exitCode).toBe(0);
  await record();
  const bisect = Bun.spawnSync(
    [...commandOf("replay"), "--bisect", "virgl", `virgl LD_PRELOAD=${library}`, file],
    { stderr: "inherit" },
  );
  const wrong = streams()[9]!;
  expect(bisect.stdout.toString()).toContain(
    `the first command after which they differ is ${wrong}: SUBMIT_3D: the first pixel is `,
  );
  expect(bisect.exitCode).toBe(3);
  const [right, other] = ["a", "b"].map((side) =>
    decodePng(readFileSync(join(`${file}.differs`, `command-${wrong}-${side}.png`))),
  );
  expect([right, other].map((png) => [png!.width, png!.height, png!.pixels[0]! >>> 8])).toEqual([
    [64, 48, 0x40_00_00],
    [64, 48, 0xbf_00_00],
  ]);
}, 120_000);
