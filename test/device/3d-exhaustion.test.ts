// A guest that has used up all that it may have, while the display is behind with what it shows.

import { describe, test } from "bun:test";
import * as commands from "../../lab/driver/commands.ts";
import * as commands3d from "../../lab/driver/commands-3d.ts";
import type { Submission } from "../../lab/driver/command-queue.ts";
import type { SyntheticGuest } from "../../lab/driver/synthetic-guest.ts";
import { Format, Response } from "../../src/transport/wire/virtio-gpu/protocol.ts";
import { makeContext, patient, virglServer } from "./3d-support.ts";
import { expectOk, expectShown, expectType, expectWorking, serveTests } from "./support.ts";

const size = 128;
const whole = { x: 0, y: 0, width: size, height: size };
const pageBytes = 4096;
const bytesMax = 16 * size * size * 4;
const { withDevice } = serveTests(...virglServer, "--storage-bytes-max", String(bytesMax));

/** More flips at once than the display is told of: what is shown after them is held back. */
function flip({ control }: SyntheticGuest): void {
  const page = { x: 0, y: 0, width: 32, height: 32 };
  for (let count = 0; count < 32; count++) {
    control.submit(commands.setScanout(0, 1 + (count % 2), page), { hold: true });
  }
}

/** Submits what takes all that is left, by powers of two of pages; returns the creations by resource. */
function fill({ control }: SyntheticGuest): Map<number, Submission> {
  const creations = new Map<number, Submission>();
  let id = 100;
  for (let pages = bytesMax / pageBytes; pages >= 1; pages /= 2) {
    for (let count = 0; count < 2; count++) {
      const command = commands.createResource2d(id, Format.B8G8R8X8, 1024, pages);
      creations.set(id++, control.submit(command, { hold: true }));
    }
  }
  return creations;
}

describe("a picture that moves into the renderer while its showing is held back", () => {
  test("keeps its storage, and is shown when the display has caught up", () =>
    withDevice(patient, (guest) => {
      const { gpu, control } = guest;
      makeContext(guest);
      for (const id of [1, 2]) expectOk(gpu.createResource2d(id, Format.B8G8R8X8, 32, 32));
      expectOk(gpu.createResource2d(3, Format.B8G8R8X8, size, size));
      flip(guest);
      const shown: Submission = control.submit(commands.setScanout(1, 3, whole), { hold: true });
      const moved: Submission = control.submit(commands3d.attachResource(1, 3), { hold: true });
      const creations = fill(guest);
      control.commit();
      control.waitAll();
      expectOk(shown.result);
      expectOk(moved.result);
      expectType(gpu.createResource2d(99, Format.B8G8R8X8, 1024, 1), Response.ERR_OUT_OF_MEMORY);
      expectShown(guest, 1, size, size, new Uint32Array(size * size));
      const [made] = [...creations].find(([, { result }]) => result.type === Response.OK_NODATA)!;
      expectOk(gpu.unrefResource(made));
      expectWorking(guest);
    }));
});
