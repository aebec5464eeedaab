// What writes pixels and bytes: clear, draw, blit, copy, inline write. Every function appends one command to `stream`.

import type { Rectangle } from "../commands.ts";
import type { Box } from "../commands-3d.ts";
import { Ccmd, Filter, Mask } from "./protocol.ts";
import type { CommandStream } from "./stream.ts";

/** `buffers` are bits of ClearBuffers; `colour` is red, green, blue, alpha, 0 to 1 for normalised formats. */
export function clear(
  stream: CommandStream,
  buffers: number,
  colour: readonly [number, number, number, number],
  depth = 1,
  stencil = 0,
): void {
  stream.begin(Ccmd.CLEAR);
  stream.word(buffers);
  for (const channel of colour) stream.float(channel);
  stream.double(depth);
  stream.word(stencil);
  stream.end();
}

export interface Draw {
  mode: number;
  /** The first vertex; an indexed draw begins where SET_INDEX_BUFFER's offset says. */
  start?: number;
  count: number;
  indexed?: boolean;
  indexBias?: number;
  instanceCount?: number;
}

export function drawVbo(stream: CommandStream, draw: Draw): void {
  const { mode, start = 0, count, indexed = false, indexBias = 0, instanceCount = 1 } = draw;
  stream.begin(Ccmd.DRAW_VBO);
  stream.word(start);
  stream.word(count);
  stream.word(mode);
  stream.word(Number(indexed));
  stream.word(instanceCount);
  stream.word(indexBias);
  stream.word(0); // first instance
  stream.word(0); // primitive restart, its index
  stream.word(0);
  stream.word(0); // least and greatest index
  stream.word(0xffff_ffff);
  stream.word(0); // count from stream output
  stream.end();
}

/** One side of a blit. A negative width or height flips; x and y are then the far edge. */
export interface BlitSide {
  resourceId: number;
  format: number;
  box: Box;
  level?: number;
}

/** Scales, flips and converts. Only what is inside of `scissor` changes. */
export function blit(
  stream: CommandStream,
  destination: BlitSide,
  source: BlitSide,
  { mask = Mask.RGBA, filter = Filter.NEAREST, scissor }: BlitOptions = {},
): void {
  stream.begin(Ccmd.BLIT);
  stream.word(mask | (filter << 8) | (scissor === undefined ? 0 : 1 << 10));
  stream.word(scissor === undefined ? 0 : scissor.x | (scissor.y << 16));
  stream.word(scissor === undefined ? 0 : (scissor.x + scissor.width) | ((scissor.y + scissor.height) << 16));
  blitSide(stream, destination);
  blitSide(stream, source);
  stream.end();
}

export interface BlitOptions {
  mask?: number;
  filter?: number;
  scissor?: Rectangle;
}

/** Where a copy goes to, or comes from. */
export interface Place {
  resourceId: number;
  level?: number;
  x?: number;
  y?: number;
  z?: number;
}

/** Copies the source's box as it is. */
export function resourceCopyRegion(
  stream: CommandStream,
  destination: Place,
  source: { resourceId: number; level?: number; box: Box },
): void {
  stream.begin(Ccmd.RESOURCE_COPY_REGION);
  stream.word(destination.resourceId);
  stream.word(destination.level ?? 0);
  stream.word(destination.x ?? 0);
  stream.word(destination.y ?? 0);
  stream.word(destination.z ?? 0);
  stream.word(source.resourceId);
  stream.word(source.level ?? 0);
  writeBox(stream, source.box);
  stream.end();
}

export interface InlineWrite {
  resourceId: number;
  box: Box;
  level?: number;
  stride?: number;
  layerStride?: number;
}

/** Writes `data` into a resource without any backing. Strides in bytes, 0: the level's own. */
export function resourceInlineWrite(stream: CommandStream, write: InlineWrite, data: Uint8Array): void {
  const usage = 0;
  stream.begin(Ccmd.RESOURCE_INLINE_WRITE);
  stream.word(write.resourceId);
  stream.word(write.level ?? 0);
  stream.word(usage);
  stream.word(write.stride ?? 0);
  stream.word(write.layerStride ?? 0);
  writeBox(stream, write.box);
  stream.data(data);
  stream.end();
}

function blitSide(stream: CommandStream, { resourceId, format, box, level = 0 }: BlitSide): void {
  stream.word(resourceId);
  stream.word(level);
  stream.word(format);
  writeBox(stream, box);
}

function writeBox(stream: CommandStream, { x, y, z, width, height, depth }: Box): void {
  stream.word(x);
  stream.word(y);
  stream.word(z);
  stream.word(width);
  stream.word(height);
  stream.word(depth);
}
