// The state of a device as a keyframe of a recording.

import type { RecordingWriter } from "../transport/wire/record/writer.ts";
import { entryFields, EntryKind, type EntryName } from "../transport/wire/record/entries.ts";
import { BlobMem, bytesPerPixel } from "../transport/wire/virtio-gpu/protocol.ts";
import type { DeviceState } from "./device-state.ts";
import type { RecordedLayout, RecordedResource, Run } from "./recorded-resource.ts";

const bodyBytesMax = 1024 * 1024;
const flag = { rendered: 1, backed: 2 };

/** Adds an entry with its numbers by name; those that are not given are 0. */
export function addEntry(
  writer: RecordingWriter,
  kind: EntryName,
  time: number,
  numbers: Readonly<Record<string, number>> = {},
  body: Uint8Array = new Uint8Array(0),
): void {
  const columns = entryFields[kind].map((field) => numbers[field] ?? 0);
  writer.add(EntryKind[kind], time, columns, body.length).set(body);
}

/** Begins a recording with memory and rings as in `state`, and a keyframe of its resources that are `kept`. */
export function writeState(
  writer: RecordingWriter,
  state: DeviceState,
  time: number,
  kept: (resource: RecordedResource) => boolean,
): void {
  const add = (
    kind: EntryName,
    numbers: Readonly<Record<string, number>> = {},
    body: Uint8Array = new Uint8Array(0),
  ): void => addEntry(writer, kind, time, numbers, body);
  const { features } = state;
  add("memory", {}, bodyOf(state.memory));
  for (const queue of [0, 1]) add("ring", { queue, running: 1, features });
  add("keyframe", { features });
  for (const resource of state.resources.values()) if (kept(resource)) writeResource(add, resource);
  state.scanouts.forEach((shown, scanout) => {
    const resource = shown === null ? undefined : state.resources.get(shown.resource);
    if (shown === null || resource === undefined || !kept(resource)) return;
    const { layout, ...view } = shown;
    if (layout === undefined) add("scanout", { scanout, ...view });
    else add("blobScanout", { scanout, ...view }, wordsOf(layout));
  });
  state.cursors.forEach((cursor, scanout) => {
    if (cursor === null) return;
    const { image, isVisible, ...place } = cursor;
    add("cursor", { scanout, ...place, visible: isVisible ? 1 : 0 }, image ?? undefined);
  });
  add("keyframeEnd");
}

type Add = (kind: EntryName, numbers?: Readonly<Record<string, number>>, body?: Uint8Array) => void;

function wordsOf({ width, height, format, stride, offset }: RecordedLayout): Uint8Array {
  return new Uint8Array(new Uint32Array([width, height, format, stride, offset]).buffer);
}

function writeBlob(add: Add, { id, backing, pixels }: RecordedResource, { size, flags }: BlobSize): void {
  const [sizeLow, sizeHigh] = [size % 2 ** 32, Math.floor(size / 2 ** 32)];
  add("blob", { id, mem: BlobMem.GUEST, flags, sizeLow, sizeHigh });
  if (backing !== null) add("backing", { resource: id }, bodyOf(backing));
  for (let at = 0; at < (pixels?.length ?? 0); at += bodyBytesMax) {
    const body = pixels!.subarray(at, at + bodyBytesMax);
    const [offsetLow, offsetHigh] = [at % 2 ** 32, Math.floor(at / 2 ** 32)];
    add("blobBytes", { resource: id, offsetLow, offsetHigh, rowBytes: body.length }, body);
  }
}

type BlobSize = NonNullable<RecordedResource["blob"]>;

function writeResource(add: Add, resource: RecordedResource): void {
  if (resource.blob !== null) return writeBlob(add, resource, resource.blob);
  const { id, format, width, height, isRendered, backing, pixels } = resource;
  const flags = (isRendered ? flag.rendered : 0) | (backing === null ? 0 : flag.backed);
  add("resource", { id, format, width, height, flags });
  if (backing !== null) add("backing", { resource: id }, bodyOf(backing));
  if (pixels === null) return;
  const rowBytes = width * bytesPerPixel;
  const most = Math.max(1, Math.floor(bodyBytesMax / rowBytes));
  for (let row = 0; row < height; row += most) {
    const rows = Math.min(most, height - row);
    add("pixels", { resource: id, row, rows }, pixels.subarray(row * rowBytes, (row + rows) * rowBytes));
  }
}

function bodyOf(runs: readonly Run[]): Uint8Array {
  const words = runs.flatMap(({ address, length }) => [BigInt(address), BigInt(length)]);
  return new Uint8Array(new BigUint64Array(words).buffer);
}
