// What kmscube shows: a cube with a colour at each corner, turning before a grey background.

import { join } from "node:path";
import type { Image } from "../../../lab/qemu/image.ts";
import type { QemuGuest } from "../../../lab/qemu/qemu-guest.ts";
import { savePng } from "./screen.ts";

const timeoutMs = 60_000;
const pollMs = 100;

/** Half of white, which the conversion to 8 bits may round either way. */
const greys = [0x7f7f7f, 0x808080];
/** Shares of the screen. */
const marginShare = 0.05;
const cubeShareMin = 0.08;
const cubeShareMax = 0.5;
const hueShareMin = 0.002;
/** Three of the cube's corners face the viewer at least, and each is of another hue. */
const huesMin = 3;
const coloursMin = 1000;
/** What a visible turn changes. */
const changedShareMin = 0.02;

/** Waits until output `head` shows the cube, and then shows it turned. Otherwise throws what is wrong with it. */
export async function waitForTurningCube(guest: QemuGuest, head: number): Promise<void> {
  const first = await waitFor(guest, head, cubeFault);
  await waitFor(guest, head, (image) => cubeFault(image) ?? turnFault(first, image));
}

/** What keeps `image` from being a picture of the cube, or null. */
export function cubeFault({ width, height, pixels }: Image): string | null {
  const grey = pixels[0]!;
  if (!greys.includes(grey)) return `its first pixel is ${grey.toString(16)}, not grey`;
  const margin = Math.round(height * marginShare);
  const hues = Array.from({ length: 8 }, () => 0);
  const colours = new Set<number>();
  let cube = 0;
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const pixel = pixels[y * width + x]!;
      if (pixel === grey) continue;
      const isMargin = Math.min(x, y, width - 1 - x, height - 1 - y) < margin;
      if (isMargin) return `(${x}, ${y}) in its margin is ${pixel.toString(16)}, not grey`;
      cube++;
      colours.add(pixel);
      hues[hue(pixel)]!++;
    }
  }
  const share = cube / pixels.length;
  if (share < cubeShareMin || share > cubeShareMax) return `${(share * 100).toFixed(1)} % of it is not grey`;
  if (pixels[(height >> 1) * width + (width >> 1)] === grey) return "its centre is grey";
  if (colours.size < coloursMin) return `it has only ${colours.size} colours`;
  // The first is black's, the last white's.
  const strong = hues.slice(1, 7).filter((count) => count / pixels.length > hueShareMin).length;
  return strong < huesMin ? `it has only ${strong} hues` : null;
}

function turnFault(before: Image, after: Image): string | null {
  if (before.pixels.length !== after.pixels.length) return "its size has changed";
  const changed = after.pixels.reduce((count, pixel, i) => count + Number(pixel !== before.pixels[i]), 0);
  const share = changed / after.pixels.length;
  return share < changedShareMin ? `only ${(share * 100).toFixed(1)} % of it has changed` : null;
}

/** Red, green and blue as bits 2, 1 and 0: those that are nearly as strong as the strongest. */
function hue(pixel: number): number {
  const channels = [pixel >> 16, (pixel >> 8) & 255, pixel & 255];
  const strongest = Math.max(...channels);
  if (strongest < 48) return 0;
  return channels.reduce((bits, channel) => (bits << 1) | Number(channel > strongest * 0.6), 0);
}

async function waitFor(
  guest: QemuGuest,
  head: number,
  fault: (image: Image) => string | null,
): Promise<Image> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const image = await guest.screendump(head);
    const found = fault(image);
    if (found === null) return image;
    if (performance.now() > deadline) {
      const path = join(guest.logDirectory, `head-${head}-cube.png`);
      await savePng(path, image);
      throw new Error(`output ${head} shows no turning cube: ${found}. The frame is ${path}.`);
    }
    await Bun.sleep(pollMs);
  }
}
