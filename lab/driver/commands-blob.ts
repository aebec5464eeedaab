// Every request about blobs as bytes (virtio 1.3 §5.7.6.8, §5.7.6.9). As in commands.ts, nothing is checked.

import {
  Command,
  CreateBlob,
  MapBlob,
  MemoryEntry,
  OfResource,
  SetScanoutBlob,
} from "../../src/transport/wire/virtio-gpu/protocol.ts";
import { type HeaderFields, type Rectangle, request, writeEntries, writeRectangle } from "./commands.ts";
import type { GuestRange } from "./guest-memory.ts";

/** RESOURCE_CREATE_BLOB's fields; what is left out is 0. */
export interface Blob {
  resourceId: number;
  /** One of BlobMem. */
  mem: number;
  /** Bits of BlobFlag. */
  flags?: number;
  blobId?: number | bigint;
  /** In bytes. */
  size: number | bigint;
}

/** How a scanout is to read a blob: plane 0, or all of four. Strides and offsets are bytes. */
export interface BlobLayout {
  format: number;
  width: number;
  height: number;
  strides: readonly number[];
  offsets?: readonly number[];
}

/** The context is the header's. `entryCount`: what the request claims, when that is not the number of `entries`. */
export function createBlob(
  { resourceId, mem, flags = 0, blobId = 0, size }: Blob,
  entries: readonly GuestRange[] = [],
  header?: HeaderFields,
  entryCount: number = entries.length,
): DataView {
  const bytes = CreateBlob.bytes + entries.length * MemoryEntry.bytes;
  const view = request(Command.RESOURCE_CREATE_BLOB, bytes, header);
  view.setUint32(CreateBlob.resourceId, resourceId, true);
  view.setUint32(CreateBlob.blobMem, mem, true);
  view.setUint32(CreateBlob.blobFlags, flags, true);
  view.setUint32(CreateBlob.entryCount, entryCount, true);
  view.setBigUint64(CreateBlob.blobId, BigInt(blobId), true);
  view.setBigUint64(CreateBlob.size, BigInt(size), true);
  writeEntries(view, CreateBlob.bytes, entries);
  return view;
}

export function setScanoutBlob(
  scanoutId: number,
  resourceId: number,
  rectangle: Rectangle,
  { format, width, height, strides, offsets = [] }: BlobLayout,
  header?: HeaderFields,
): DataView {
  const view = request(Command.SET_SCANOUT_BLOB, SetScanoutBlob.bytes, header);
  writeRectangle(view, rectangle);
  view.setUint32(SetScanoutBlob.scanoutId, scanoutId, true);
  view.setUint32(SetScanoutBlob.resourceId, resourceId, true);
  view.setUint32(SetScanoutBlob.blobWidth, width, true);
  view.setUint32(SetScanoutBlob.blobHeight, height, true);
  view.setUint32(SetScanoutBlob.format, format, true);
  strides.forEach((stride, plane) => view.setUint32(SetScanoutBlob.stride + plane * 4, stride, true));
  offsets.forEach((offset, plane) => view.setUint32(SetScanoutBlob.offset + plane * 4, offset, true));
  return view;
}

/** `offset`: where in the host-visible window, in bytes. */
export function mapBlob(resourceId: number, offset: number | bigint, header?: HeaderFields): DataView {
  const view = request(Command.RESOURCE_MAP_BLOB, MapBlob.bytes, header);
  view.setUint32(MapBlob.resourceId, resourceId, true);
  view.setBigUint64(MapBlob.offset, BigInt(offset), true);
  return view;
}

export function unmapBlob(resourceId: number, header?: HeaderFields): DataView {
  const view = request(Command.RESOURCE_UNMAP_BLOB, OfResource.bytes, header);
  view.setUint32(OfResource.resourceId, resourceId, true);
  return view;
}
