// A pointer image of 64 × 64 pixels, its hot spot at the tip.

import { cursorSize } from "../../src/transport/wire/virtio-gpu/protocol.ts";

const outline = [
  "X",
  "XX",
  "XoX",
  "XooX",
  "XoooX",
  "XooooX",
  "XoooooX",
  "XooooooX",
  "XoooooooX",
  "XooooooooX",
  "XoooooXXXX",
  "XooXooX",
  "XoX XooX",
  "XX  XooX",
  "     XooX",
  "     XooX",
  "      XX",
];
const scale = 2;

export const arrowHotSpot = { x: 0, y: 0 };

/** Draws the arrow into `pixels`, 0xAARRGGBB; the rest becomes transparent. */
export function drawArrow(pixels: Uint32Array): void {
  pixels.fill(0);
  outline.forEach((row, y) => {
    [...row].forEach((mark, x) => {
      if (mark === " ") return;
      const colour = mark === "X" ? 0xff101018 : 0xfffafafa;
      for (let line = 0; line < scale; line++) {
        const start = (y * scale + line) * cursorSize + x * scale;
        pixels.fill(colour, start, start + scale);
      }
    });
  });
}
