// Rows of a transfer that a recording leaves out, since the resource had them already.

import type { DeviceState } from "../../src/recording/device-state.ts";
import type { RecordedResource } from "../../src/recording/recorded-resource.ts";
import { type CommandStep, hasEffect, typeOf } from "../../src/recording/steps.ts";
import type { Entry } from "../../src/transport/wire/record/entries.ts";
import { bytesPerPixel, Command, TransferToHost2d } from "../../src/transport/wire/virtio-gpu/protocol.ts";

/** More than any display's picture: what a file asks for is bounded. */
const bytesMax = 256 * 1024 * 1024;
const none: readonly Entry<"bytes">[] = [];

/** They are as `state` has them, before the step, told as if they had been recorded. */
export function leftOut(step: CommandStep, state: DeviceState): readonly Entry<"bytes">[] {
  if (typeOf(step) !== Command.TRANSFER_TO_HOST_2D || !hasEffect(step)) return none;
  const { body } = step.command;
  if (body.length < TransferToHost2d.bytes) return none;
  const view = new DataView(body.buffer, body.byteOffset, body.byteLength);
  const u32 = (at: number): number => view.getUint32(at, true);
  const resource = state.resources.get(u32(TransferToHost2d.resourceId));
  const [x, y] = [u32(TransferToHost2d.x), u32(TransferToHost2d.y)];
  const [width, height] = [u32(TransferToHost2d.width), u32(TransferToHost2d.height)];
  if (resource === undefined || resource.isRendered || resource.blob !== null || width === 0) return none;
  const isInside = x + width <= resource.width && y + height <= resource.height;
  if (!isInside || resource.bytes > bytesMax) return none;
  const from = u32(TransferToHost2d.offset) + u32(TransferToHost2d.offset + 4) * 2 ** 32;
  const pitch = resource.width * bytesPerPixel;
  const rowBytes = width * bytesPerPixel;
  const missing: Entry<"bytes">[] = [];
  const add = (first: number, end: number): void => {
    if (first >= end) return;
    const offset = from + first * pitch;
    missing.push({
      kind: "bytes",
      number: step.command.number,
      time: step.command.time,
      body: rowsOf(resource, x, y + first, width, end - first),
      resource: resource.id,
      offsetLow: offset % 2 ** 32,
      offsetHigh: Math.floor(offset / 2 ** 32),
      rowBytes,
      stride: pitch,
    });
  };
  // Rows are told from the first to the last.
  let next = 0;
  for (const told of step.bytes) {
    if (told.rowBytes === 0) continue;
    const first = Math.floor((told.offsetLow + told.offsetHigh * 2 ** 32 - from) / pitch);
    add(next, Math.min(first, height));
    next = Math.max(next, first + Math.ceil(told.body.length / told.rowBytes));
  }
  add(next, height);
  return missing;
}

/** Tightly packed; a view where they are that already. */
function rowsOf(resource: RecordedResource, x: number, y: number, width: number, rows: number): Uint8Array {
  const { pixels } = resource;
  const rowBytes = width * bytesPerPixel;
  if (pixels === null) return new Uint8Array(rows * rowBytes);
  const pitch = resource.width * bytesPerPixel;
  if (rowBytes === pitch) return pixels.subarray(y * pitch, (y + rows) * pitch);
  const packed = new Uint8Array(rows * rowBytes);
  for (let row = 0; row < rows; row++) {
    const at = (y + row) * pitch + x * bytesPerPixel;
    packed.set(pixels.subarray(at, at + rowBytes), row * rowBytes);
  }
  return packed;
}
