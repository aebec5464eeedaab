// A transfer between a resource and its backing: whether it stays inside of both, and what it writes of the backing.

import { type BlockLayout, blockLayout } from "../../../picture/formats.ts";
import type { Backing } from "./backing.ts";

/** Rows that are no further apart touch every page between them. */
const pageBytes = 4096;

/** Of enum pipe_texture_target: those that are treated alike by nobody. */
export const Target = { BUFFER: 0, TEXTURE_2D: 2, TEXTURE_3D: 3, TEXTURE_RECT: 5 } as const;

export type Direction = "to-host" | "from-host";

/** What a transfer has to know of its resource; sizes in pixels. */
export interface Extent {
  /** A format of the renderer's, which virtio's are part of. */
  readonly format: number;
  /** A pipe_texture_target of {@link Target}. */
  readonly target: number;
  readonly width: number;
  readonly height: number;
  readonly depth: number;
  readonly arraySize: number;
  readonly lastLevel: number;
}

/**
 * The box is x, y, z, width, height, depth from word `at` of `words` on. Strides and the offset into the backing are in
 * bytes; stride 0 is the level's own.
 */
export interface Transfer {
  words: ArrayLike<number>;
  at: number;
  level: number;
  stride: number;
  layerStride: number;
  offset: number;
}

/** A transfer to be filled in, with its box at word `at` of `words`: one shape of object for all who make them. */
export const transferOf = (words: ArrayLike<number> = [], at = 0): Transfer => ({
  words,
  at,
  level: 0,
  stride: 0,
  layerStride: 0,
  offset: 0,
});

/** Whether the box lies inside of the resource, and what it needs inside of `backingBytes`. */
export function isInside(extent: Extent, transfer: Transfer, backingBytes: number): boolean {
  const { words, at, level, stride, layerStride, offset } = transfer;
  const layout = blockLayout(extent.format);
  if (layout === undefined || level > extent.lastLevel) return false;
  const levelWidth = minify(extent.width, level);
  const levelHeight = minify(extent.height, level);
  const layers = extent.target === Target.TEXTURE_3D ? minify(extent.depth, level) : extent.arraySize;
  const [x, y, z] = [words[at]!, words[at + 1]!, words[at + 2]!];
  const [width, height, depth] = [words[at + 3]!, words[at + 4]!, words[at + 5]!];
  // u32 sums are exact in a Number.
  if (x + width > levelWidth || y + height > levelHeight || z + depth > layers) return false;
  if (width === 0 || height === 0 || depth === 0) return true;
  const rowBytes = Math.ceil(width / layout.width) * layout.bytes;
  const rows = Math.ceil(height / layout.height);
  const rowStride = stride === 0 ? Math.ceil(levelWidth / layout.width) * layout.bytes : stride;
  if (rowStride < rowBytes || (layerStride !== 0 && layerStride < rows * rowStride)) return false;
  // The library rounds such strides down, or not, as the backing is scattered.
  if (rows > 1 && rowStride % layout.bytes !== 0) return false;
  const step = layerStep(extent, transfer);
  const span = (depth - 1) * step + (rows - 1) * rowStride + rowBytes;
  return offset + span <= backingBytes;
}

/** Whether there is nothing to copy. */
export function isEmpty({ words, at }: Transfer): boolean {
  return words[at + 3] === 0 || words[at + 4] === 0 || words[at + 5] === 0;
}

/** Bytes from one layer of a transfer to the next. The extent's format is known. */
export function layerStep(extent: Extent, { level, stride, layerStride }: Transfer): number {
  if (layerStride !== 0) return layerStride;
  const layout = blockLayout(extent.format)!;
  return Math.ceil(minify(extent.height, level) / layout.height) * rowStep(extent, level, stride, layout);
}

/** Records the rows that a transfer from the host has written, as far as `backing` goes. */
export function logWritten(backing: Backing, extent: Extent, transfer: Transfer): void {
  const layout = blockLayout(extent.format);
  if (layout === undefined || !backing.isLogged || isEmpty(transfer)) return;
  const { words, at, level, stride, offset } = transfer;
  const rowBytes = Math.ceil(words[at + 3]! / layout.width) * layout.bytes;
  const rows = Math.ceil(words[at + 4]! / layout.height);
  const layers = words[at + 5]!;
  const step = rowStep(extent, level, stride, layout);
  const layer = layers > 1 ? layerStep(extent, transfer) : 0;
  for (let z = 0; z < layers; z++) {
    const from = offset + z * layer;
    if (from >= backing.length) return;
    if (step <= pageBytes) backing.wrote(from, (rows - 1) * step + rowBytes);
    else for (let row = 0; row < rows; row++) backing.wrote(from + row * step, rowBytes);
  }
}

/** Bytes from one row of a transfer to the next. */
export function rowStep({ width }: Extent, level: number, stride: number, layout: BlockLayout): number {
  return stride === 0 ? Math.ceil(minify(width, level) / layout.width) * layout.bytes : stride;
}

/** The size of a level, of that of the first. */
export const minify = (size: number, level: number): number => Math.max(1, Math.floor(size / 2 ** level));
