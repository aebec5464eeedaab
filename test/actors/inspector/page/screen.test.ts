// Pixels of the feed as a canvas takes them.

import { expect, test } from "bun:test";
import { opaque } from "../../../../src/actors/inspector/page/screen/pixels.ts";

test("B, G, R, X becomes R, G, B and opaque, wherever the bytes lie, and what was told is left alone", () => {
  const batch = Uint8Array.of(9, 0x33, 0x22, 0x11, 0, 0xff, 0x80, 0x01, 0x7f);
  const pixels = batch.subarray(1);
  expect([...opaque(pixels)]).toEqual([0x11, 0x22, 0x33, 0xff, 0x01, 0x80, 0xff, 0xff]);
  expect([...pixels.subarray(0, 4)]).toEqual([0x33, 0x22, 0x11, 0]);
});
