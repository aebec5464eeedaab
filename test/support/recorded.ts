// Recordings that a real server has made of a synthetic guest, with many keyframes.

import type { Rectangle } from "../../lab/driver/commands.ts";
import { areaOf } from "../../lab/driver/gpu-driver.ts";
import { type GuestOptions, SyntheticGuest } from "../../lab/driver/synthetic-guest.ts";
import { ServerProcess } from "../../lab/vmm/server-process.ts";
import { BlobMem, Format } from "../../src/transport/wire/virtio-gpu/protocol.ts";
import { expectOk } from "../device/support.ts";
import { driverPatienceMs } from "./patience.ts";
import type { Chance } from "../../lab/fuzz/chance.ts";

export const picturesSize = { width: 160, height: 120 };

/** Waits until a recording has that many keyframes: the queue tells one when it rests, which a busy guest may not let it. */
export type Keyframes = (least: number) => Promise<void>;

/** Records what `draw` does, from the start; with no keyframe where `keyframeBytes` is 0. */
export async function record(
  path: string,
  args: readonly string[],
  draw: (guest: SyntheticGuest, keyframes: Keyframes) => void | Promise<void>,
  keyframeBytes = 131_072,
  options: GuestOptions = {},
): Promise<void> {
  const server = await ServerProcess.start({
    args: [...args, "--record", path, "--record-keyframe-bytes", String(keyframeBytes)],
  });
  try {
    const guest = SyntheticGuest.boot(server.socketPath, { patienceMs: driverPatienceMs, ...options });
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

/** As {@link drawPictures}, in blobs of scattered pages that are shown in several layouts, with a cursor in one. */
export function drawBlobs({ gpu, memory }: SyntheticGuest, chance: Chance, steps: number): void {
  const { width, height } = picturesSize;
  const stride = width * 4 + 64;
  const page = 4096;
  const count = Math.ceil((stride * height) / page) + 2;
  const pages = [1, 2].map(() => {
    const all = memory.allocate(count * page, page);
    return Array.from({ length: count }, (_, at) => all.slice((count - 1 - at) * page, page));
  });
  const make = (at: number): void => {
    const size = count * page;
    expectOk(gpu.createBlob({ resourceId: at + 1, mem: BlobMem.GUEST, size }, pages[at]!));
  };
  const offsets = [0, 0];
  const layoutOf = (at: number) => ({
    ...{ format: at === 0 ? Format.B8G8R8X8 : Format.R8G8B8X8, width, height },
    ...{ strides: [stride], offsets: [offsets[at]!] },
  });
  const show = (at: number): void =>
    expectOk(gpu.setScanoutBlob(0, at + 1, areaOf(picturesSize), layoutOf(at)));
  const fill = (at: number, { x, y, width: columns, height: rows }: Rectangle, colour: number): void => {
    const row = new Uint8Array(new Uint32Array(columns).fill(colour).buffer);
    for (let line = y; line < y + rows; line++) {
      const from = offsets[at]! + line * stride + x * 4;
      row.forEach((byte, index) => {
        const place = from + index;
        pages[at]![Math.floor(place / page)]!.bytes[place % page] = byte;
      });
    }
  };
  [0, 1].forEach(make);
  const pointer = memory.allocate(64 * 64 * 4, page);
  expectOk(gpu.createBlob({ resourceId: 9, mem: BlobMem.GUEST, size: pointer.length }, [pointer]));
  show(0);
  let shown = 0;
  for (let step = 0; step < steps; step++) {
    const [x, y] = [chance(width), chance(height)];
    const rect = { x, y, width: 1 + chance(width - x), height: 1 + chance(height - y) };
    fill(shown, rect, chance(2 ** 24));
    expectOk(gpu.flushResource(shown + 1, rect));
    if (chance(10) === 0) {
      shown = chance(2);
      offsets[shown] = chance(3) * 1000;
      show(shown);
    }
    if (chance(20) === 0) {
      expectOk(gpu.unrefResource(shown + 1));
      make(shown);
      show(shown);
    }
    if (chance(20) !== 0) continue;
    pointer.words.fill(chance(2 ** 32));
    expectOk(gpu.transferToHost2d(9, { x: 0, y: 0, width: 64, height: 64 }));
    expectOk(gpu.updateCursor({ scanoutId: 0, x, y }, 9));
  }
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
