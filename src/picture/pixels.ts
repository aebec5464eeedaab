// Pixels of the eight virtio formats as bytes B, G, R, X, which displays take (x8r8g8b8 of a little-endian u32).

import { Format } from "../transport/wire/virtio-gpu/protocol.ts";

/** Whether pixels of `format` are B, G, R, X (or A) already, and need no conversion. */
export const isBgrx = (format: number): boolean => format === Format.B8G8R8X8 || format === Format.B8G8R8A8;

/**
 * Converts `width` × `height` pixels of a virtio `format` (§5.7.6.8) to tightly packed B, G, R, X. Offsets and
 * `stride` count pixels. The fourth byte, alpha where there is one, is kept. Throws RangeError for a format that
 * virtio does not name.
 */
export function convertToBgrx(
  format: number,
  source: Uint32Array,
  sourceOffset: number,
  stride: number,
  width: number,
  height: number,
  target: Uint32Array,
): void {
  const convertRow = rowConverters[format];
  if (convertRow === undefined) throw new RangeError(`format ${format} is none of virtio-gpu's`);
  // Adjacent rows are one long one.
  const rows = stride === width ? 1 : height;
  const columns = stride === width ? width * height : width;
  for (let row = 0; row < rows; row++) {
    convertRow(source, sourceOffset + row * stride, columns, target, row * columns);
  }
}

type RowConverter = (
  source: Uint32Array,
  from: number,
  count: number,
  target: Uint32Array,
  to: number,
) => void;

// One loop a byte order, so that each stays a tight loop of integer operations.

const copyRow: RowConverter = (source, from, count, target, to) => {
  for (let index = 0; index < count; index++) target[to + index] = source[from + index]!;
};

/** R, G, B, X: a little-endian 0xXXBBGGRR. */
const swapRedAndBlue: RowConverter = (source, from, count, target, to) => {
  for (let index = 0; index < count; index++) {
    const pixel = source[from + index]!;
    target[to + index] = (pixel & 0xff00ff00) | ((pixel >>> 16) & 0xff) | ((pixel & 0xff) << 16);
  }
};

/** X, R, G, B: a little-endian 0xBBGGRRXX. */
const reverseBytes: RowConverter = (source, from, count, target, to) => {
  for (let index = 0; index < count; index++) {
    const pixel = source[from + index]!;
    target[to + index] =
      (pixel >>> 24) | ((pixel >>> 8) & 0xff00) | ((pixel << 8) & 0xff0000) | (pixel << 24);
  }
};

/** X, B, G, R: a little-endian 0xRRGGBBXX. */
const rotateBytes: RowConverter = (source, from, count, target, to) => {
  for (let index = 0; index < count; index++) {
    const pixel = source[from + index]!;
    target[to + index] = (pixel >>> 8) | (pixel << 24);
  }
};

const rowConverters: Readonly<Record<number, RowConverter>> = {
  [Format.B8G8R8A8]: copyRow,
  [Format.B8G8R8X8]: copyRow,
  [Format.R8G8B8A8]: swapRedAndBlue,
  [Format.R8G8B8X8]: swapRedAndBlue,
  [Format.A8R8G8B8]: reverseBytes,
  [Format.X8R8G8B8]: reverseBytes,
  [Format.A8B8G8R8]: rotateBytes,
  [Format.X8B8G8R8]: rotateBytes,
};
