// PNG files, decoded without the code that made them.

import { expect, test } from "bun:test";
import { encodePng } from "../../src/picture/png.ts";
import { decodePng } from "../support/png.ts";

test("bytes B, G, R, X become an opaque picture, the top row first", async () => {
  const [width, height] = [31, 17];
  const pixels = Uint8Array.from({ length: width * height * 4 }, (_, index) => (index * index * 7) >> 3);
  const decoded = decodePng(await encodePng(pixels, width, height));
  expect(decoded).toMatchObject({ width, height });
  const expected = Array.from({ length: width * height }, (_, index) => {
    const [b, g, r] = pixels.subarray(index * 4) as unknown as [number, number, number];
    return ((r << 24) | (g << 16) | (b << 8) | 0xff) >>> 0;
  });
  expect(decoded.pixels).toEqual(expected);
});
