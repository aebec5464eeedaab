// A PNG reader for tests, which shares nothing with the code that writes PNGs.

import { expect } from "bun:test";
import { inflateSync } from "node:zlib";

/** Pixels of 0xRRGGBBAA. Only what a plain 8-bit RGBA file may have (PNG, third edition, §9). */
export function decodePng(png: Uint8Array): { width: number; height: number; pixels: number[] } {
  const view = new DataView(png.buffer, png.byteOffset, png.byteLength);
  const parts: Uint8Array[] = [];
  for (let at = 8; at < png.length; at += 12 + view.getUint32(at)) {
    if (view.getUint32(at + 4) === 0x49444154) parts.push(png.subarray(at + 8, at + 8 + view.getUint32(at)));
  }
  const [width, height] = [view.getUint32(16), view.getUint32(20)];
  expect([...png.subarray(24, 29)]).toEqual([8, 6, 0, 0, 0]);
  const bytes = inflateSync(Buffer.concat(parts));
  const rowBytes = width * 4;
  const rows: number[][] = [];
  for (let row = 0; row < height; row++) {
    const start = row * (rowBytes + 1);
    const above = rows[row - 1];
    const line: number[] = [];
    for (let at = 0; at < rowBytes; at++) {
      const left = line[at - 4] ?? 0;
      const up = above?.[at] ?? 0;
      const upLeft = (at >= 4 && above?.[at - 4]) || 0;
      const predicted = [0, left, up, (left + up) >> 1, paeth(left, up, upLeft)][bytes[start]!]!;
      line.push((bytes[start + 1 + at]! + predicted) & 0xff);
    }
    rows.push(line);
  }
  const data = new DataView(Uint8Array.from(rows.flat()).buffer);
  return {
    width,
    height,
    pixels: Array.from({ length: width * height }, (_, index) => data.getUint32(index * 4)),
  };
}

function paeth(left: number, up: number, upLeft: number): number {
  const near = (value: number) => Math.abs(left + up - upLeft - value);
  if (near(left) <= near(up) && near(left) <= near(upLeft)) return left;
  return near(up) <= near(upLeft) ? up : upLeft;
}
