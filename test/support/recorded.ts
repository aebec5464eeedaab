// Recordings that a real server has made of a synthetic guest, with many keyframes.

import { areaOf } from "../../lab/driver/gpu-driver.ts";
import { SyntheticGuest } from "../../lab/driver/synthetic-guest.ts";
import { ServerProcess } from "../../lab/vmm/server-process.ts";
import { Format } from "../../src/transport/wire/virtio-gpu/protocol.ts";
import { expectOk } from "../device/support.ts";
import { driverPatienceMs } from "./patience.ts";
import type { Chance } from "./random-guest.ts";

export const picturesSize = { width: 160, height: 120 };

/** Waits until a recording has that many keyframes: the queue tells one when it rests, which a busy guest may not let it. */
export type Keyframes = (least: number) => Promise<void>;

/** Records what `draw` does, from the start; with no keyframe where `keyframeBytes` is 0. */
export async function record(
  path: string,
  args: readonly string[],
  draw: (guest: SyntheticGuest, keyframes: Keyframes) => void | Promise<void>,
  keyframeBytes = 131_072,
): Promise<void> {
  const server = await ServerProcess.start({
    args: [...args, "--record", path, "--record-keyframe-bytes", String(keyframeBytes)],
  });
  try {
    const guest = SyntheticGuest.boot(server.socketPath, { patienceMs: driverPatienceMs });
    await draw(guest, async (least) => {
      while ((await keyframesOf(server)) < least) await Bun.sleep(5);
    });
    guest.stop();
    guest.close();
  } finally {
    await server.stop();
  }
}

async function keyframesOf(server: ServerProcess): Promise<number> {
  const status = await server.control({ command: "status" }, driverPatienceMs);
  return (status["recording"] as { keyframes?: number }).keyframes ?? 0;
}

/** Draws rectangles on two pictures that are shown by turns; flushes all, so that what is shown is what the resources hold. */
export function drawPictures({ gpu, cursor }: SyntheticGuest, chance: Chance, steps: number): void {
  const { width, height } = picturesSize;
  const make = (id: number) => gpu.createImage(id, Format.B8G8R8X8, width, height);
  const images = [1, 2].map(make);
  const pointer = gpu.createImage(9, Format.B8G8R8A8, 64, 64);
  gpu.show(0, images[0]!);
  for (let step = 0; step < steps; step++) {
    const at = chance(2);
    const [x, y] = [chance(width), chance(height)];
    images[at]!.pixels.fill(chance(2 ** 24));
    gpu.present(images[at]!, { x, y, width: 1 + chance(width - x), height: 1 + chance(height - y) });
    if (chance(20) === 0) gpu.show(0, images[chance(2)]!);
    if (chance(30) === 0) {
      expectOk(gpu.unrefResource(at + 1));
      images[at] = make(at + 1);
      gpu.present(images[at], areaOf(picturesSize));
    }
    if (chance(10) === 0) {
      pointer.pixels.fill(0xff00_0000 + chance(2 ** 24));
      expectOk(gpu.transferToHost2d(9, areaOf(pointer)));
      expectOk(gpu.updateCursor({ scanoutId: 0, x: chance(90), y: chance(60) }, 9));
      cursor.waitAll();
    }
  }
}

const corner = { x: 3, y: 5, width: 20, height: 10 };

/**
 * As {@link drawPictures}, of one picture; but a corner is drawn once, in the beginning, and what comes after lies beside it. So
 * what has made it is older than the last keyframe.
 */
export async function drawOldCorner(
  { gpu }: SyntheticGuest,
  keyframes: Keyframes,
  chance: Chance,
  steps: number,
): Promise<void> {
  const { width, height } = picturesSize;
  const image = gpu.createImage(1, Format.B8G8R8X8, width, height);
  gpu.show(0, image);
  image.pixels.fill(0x20_30_40);
  gpu.present(image, areaOf(picturesSize));
  image.pixels.fill(0xff_cc_00);
  gpu.present(image, corner);
  const left = corner.x + corner.width;
  for (let step = 0; step < steps; step++) {
    image.pixels.fill(chance(2 ** 24));
    gpu.present(image, { x: left, y: 0, width: width - left, height });
    // So many are more than what lies between two.
    if (step % 4 === 3) await keyframes(1 + (step + 1) / 4);
  }
}
