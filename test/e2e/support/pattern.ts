// The pictures that the program in the guest paints (lab/guest/pattern.h).

import type { Image, Rectangle } from "../../../lab/qemu/image.ts";

export const cursorSide = 64;

/** A pure function of position and seed; every pixel tells its position. */
function patternPixel(x: number, y: number, seed: number): number {
  return (((x * 7 + seed) & 255) << 16) | (((y * 5 + seed) & 255) << 8) | ((x ^ y) & 255);
}

/** What `pattern SCANOUT WIDTH HEIGHT SEED` shows. */
export function expectedPattern(width: number, height: number, seed: number): Image {
  return paintedOver(
    { width, height, pixels: new Uint32Array(width * height) },
    { x: 0, y: 0, width, height },
    seed,
  );
}

/** What `dirty SCANOUT X Y WIDTH HEIGHT SEED` makes of `image`. */
export function paintedOver(image: Image, area: Rectangle, seed: number): Image {
  const pixels = image.pixels.slice();
  for (let y = area.y; y < area.y + area.height; y++) {
    for (let x = area.x; x < area.x + area.width; x++) pixels[y * image.width + x] = patternPixel(x, y, seed);
  }
  return { ...image, pixels };
}

/** The image that `cursor` sets, as ARGB8888: opaque above the diagonal, see-through below it. */
export function expectedCursor(seed: number): Uint32Array {
  const pixels = new Uint32Array(cursorSide * cursorSide);
  for (let y = 0; y < cursorSide; y++) {
    for (let x = 0; x < cursorSide - y; x++)
      pixels[y * cursorSide + x] = 0xff000000 | patternPixel(x, y, seed);
  }
  return pixels;
}
