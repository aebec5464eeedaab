// What a guest shows, waited for: a scanout reaches QEMU's display some time after the guest has set it.

import { join } from "node:path";
import { encodePng } from "../../../src/picture/png.ts";
import { diffImages, type Image } from "../../../lab/qemu/image.ts";
import type { QemuGuest } from "../../../lab/qemu/qemu-guest.ts";

const screenTimeoutMs = 10_000;
const pollMs = 20;

/**
 * Waits until output `head` shows exactly `expected`; answers the frame as QEMU gave it.
 * Otherwise throws how they differ and leaves both beside the guest's logs.
 */
export async function waitForScreen(guest: QemuGuest, head: number, expected: Image): Promise<Image> {
  const deadline = performance.now() + screenTimeoutMs;
  for (;;) {
    const actual = await guest.screendump(head);
    const difference = diffImages(actual, expected);
    if (difference === null) return actual;
    if (performance.now() > deadline) {
      await savePng(join(guest.logDirectory, `head-${head}-actual.png`), actual);
      await savePng(join(guest.logDirectory, `head-${head}-expected.png`), expected);
      throw new Error(
        `output ${head} shows another frame: ${difference}. Both frames are in ${guest.logDirectory}.`,
      );
    }
    await Bun.sleep(pollMs);
  }
}

export async function savePng(path: string, { width, height, pixels }: Image): Promise<void> {
  await Bun.write(path, await encodePng(new Uint8Array(pixels.buffer), width, height));
}
