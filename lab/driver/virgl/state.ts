// SET_*: what the next draw uses. Every function appends one command to `stream`.

import type { Rectangle } from "../commands.ts";
import { Ccmd } from "./protocol.ts";
import type { CommandStream } from "./stream.ts";

/** Surfaces by handle; depth surface 0: none. */
export function setFramebufferState(
  stream: CommandStream,
  colourSurfaces: readonly number[],
  depthSurface = 0,
): void {
  stream.begin(Ccmd.SET_FRAMEBUFFER_STATE);
  stream.word(colourSurfaces.length);
  stream.word(depthSurface);
  for (const surface of colourSurfaces) stream.word(surface);
  stream.end();
}

/**
 * Maps normalised device coordinates onto `rectangle`, and depth −1 to 1 onto 0 to 1. With `yUp`, y = 1 is the
 * rectangle's first row, as a picture is shown; without, y = −1 is.
 */
export function setViewport(stream: CommandStream, rectangle: Rectangle, yUp = true): void {
  const { x, y, width, height } = rectangle;
  const firstSlot = 0;
  stream.begin(Ccmd.SET_VIEWPORT_STATE);
  stream.word(firstSlot);
  stream.float(width / 2);
  stream.float(yUp ? -height / 2 : height / 2);
  stream.float(0.5);
  stream.float(x + width / 2);
  stream.float(y + height / 2);
  stream.float(0.5);
  stream.end();
}

/** Counts only where the rasterizer enables it. */
export function setScissor(stream: CommandStream, { x, y, width, height }: Rectangle): void {
  const firstSlot = 0;
  stream.begin(Ccmd.SET_SCISSOR_STATE);
  stream.word(firstSlot);
  stream.word(x | (y << 16));
  stream.word((x + width) | ((y + height) << 16));
  stream.end();
}

/** `stride` and `offset` in bytes. */
export interface VertexBuffer {
  resourceId: number;
  stride: number;
  offset?: number;
}

export function setVertexBuffers(stream: CommandStream, buffers: readonly VertexBuffer[]): void {
  stream.begin(Ccmd.SET_VERTEX_BUFFERS);
  for (const { resourceId, stride, offset = 0 } of buffers) {
    stream.word(stride);
    stream.word(offset);
    stream.word(resourceId);
  }
  stream.end();
}

/** `indexBytes`: 1, 2 or 4; `offset` in bytes. */
export function setIndexBuffer(
  stream: CommandStream,
  resourceId: number,
  indexBytes: number,
  offset = 0,
): void {
  stream.begin(Ccmd.SET_INDEX_BUFFER);
  stream.word(resourceId);
  stream.word(indexBytes);
  stream.word(offset);
  stream.end();
}

/** The shader's CONST[], four values each. */
export function setConstantBuffer(
  stream: CommandStream,
  shaderType: number,
  values: ArrayLike<number>,
): void {
  const index = 0;
  stream.begin(Ccmd.SET_CONSTANT_BUFFER);
  stream.word(shaderType);
  stream.word(index);
  for (let at = 0; at < values.length; at++) stream.float(values[at]!);
  stream.end();
}

/** From slot 0 on; handle 0: none. */
export function setSamplerViews(stream: CommandStream, shaderType: number, views: readonly number[]): void {
  slots(stream, Ccmd.SET_SAMPLER_VIEWS, shaderType, views);
}

/** From slot 0 on; handle 0: none. */
export function bindSamplerStates(
  stream: CommandStream,
  shaderType: number,
  states: readonly number[],
): void {
  slots(stream, Ccmd.BIND_SAMPLER_STATES, shaderType, states);
}

/** A context begins with sub-context 0; each has objects and state of its own. */
export function createSubContext(stream: CommandStream, id: number): void {
  subContext(stream, Ccmd.CREATE_SUB_CTX, id);
}

export function setSubContext(stream: CommandStream, id: number): void {
  subContext(stream, Ccmd.SET_SUB_CTX, id);
}

export function destroySubContext(stream: CommandStream, id: number): void {
  subContext(stream, Ccmd.DESTROY_SUB_CTX, id);
}

function slots(stream: CommandStream, command: number, shaderType: number, handles: readonly number[]): void {
  const firstSlot = 0;
  stream.begin(command);
  stream.word(shaderType);
  stream.word(firstSlot);
  for (const handle of handles) stream.word(handle);
  stream.end();
}

function subContext(stream: CommandStream, command: number, id: number): void {
  stream.begin(command);
  stream.word(id);
  stream.end();
}
