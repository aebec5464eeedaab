// What a resource in the renderer takes of the host, as it is counted against --storage-bytes-max.

import { blockLayout } from "../../../picture/formats.ts";
import { minify, Target } from "../renderer/transfer.ts";
import type { Shape } from "./form.ts";

/** The library counts pixels in signed words. */
const sizeMax = 0x7fff_ffff;
/** Each row and each layer of a texture is padded by drivers: thousands of layers of one pixel are no thousands of bytes. */
const rowBytesUnit = 64;
const rowsUnit = 4;

/** Bytes that a 3D resource takes of the renderer, padded as drivers do; 0 for one that makes no sense. */
export function textureBytes(
  format: number,
  width: number,
  height: number,
  { target, depth, arraySize, lastLevel, samples }: Shape,
): number {
  const layout = blockLayout(format);
  if (layout === undefined) return 0;
  for (const size of [width, height, depth, arraySize]) if (size === 0 || size > sizeMax) return 0;
  // The library allows one more, of which GL then makes nothing.
  if (2 ** lastLevel > Math.max(width, height, depth)) return 0;
  const rowUnit = target === Target.BUFFER ? 1 : rowsUnit;
  let bytes = 0;
  for (let level = 0; level <= lastLevel; level++) {
    const rowBytes = Math.ceil(minify(width, level) / layout.width) * layout.bytes;
    const rows = Math.ceil(minify(height, level) / layout.height);
    bytes += roundUp(rowBytes, rowBytesUnit) * roundUp(rows, rowUnit) * minify(depth, level);
  }
  // Exact below 2^53, and far above every limit where it is not.
  return bytes * arraySize * Math.max(1, samples);
}

const roundUp = (size: number, unit: number): number => Math.ceil(size / unit) * unit;
