// Every virtio-gpu request as bytes (virtio 1.3 §5.7.6). Nothing is checked: a hostile guest uses these too.

import {
  AttachBacking,
  Command,
  Cursor,
  DetachBacking,
  GetCapset,
  GetCapsetInfo,
  GetEdid,
  Header,
  HeaderFlag,
  MemoryEntry,
  OfResource,
  ResourceCreate2d,
  ResourceFlush,
  ResourceUnref,
  SetScanout,
  TransferToHost2d,
} from "../../src/transport/wire/virtio-gpu/protocol.ts";
import type { GuestRange } from "./guest-memory.ts";

/** Fields of the control header that any command may set. */
export interface HeaderFields {
  /** Sets the fence flag. */
  fenceId?: bigint;
  contextId?: number;
  /** Sets the ring-index flag. */
  ringIndex?: number;
  /** Flags beyond those two. */
  flags?: number;
}

/** In pixels. */
export interface Rectangle {
  x: number;
  y: number;
  width: number;
  height: number;
}

/** A request of `bytes` bytes, zero but for its header. */
export function request(type: number, bytes: number = Header.bytes, header: HeaderFields = {}): DataView {
  const view = new DataView(new ArrayBuffer(bytes));
  const fence = header.fenceId === undefined ? 0 : HeaderFlag.FENCE;
  const ring = header.ringIndex === undefined ? 0 : HeaderFlag.INFO_RING_IDX;
  view.setUint32(Header.type, type, true);
  view.setUint32(Header.flags, (header.flags ?? 0) | fence | ring, true);
  view.setBigUint64(Header.fenceId, header.fenceId ?? 0n, true);
  view.setUint32(Header.contextId, header.contextId ?? 0, true);
  view.setUint8(Header.ringIndex, header.ringIndex ?? 0);
  return view;
}

export function getDisplayInfo(header?: HeaderFields): DataView {
  return request(Command.GET_DISPLAY_INFO, Header.bytes, header);
}

export function createResource2d(
  resourceId: number,
  format: number,
  width: number,
  height: number,
  header?: HeaderFields,
): DataView {
  const view = request(Command.RESOURCE_CREATE_2D, ResourceCreate2d.bytes, header);
  view.setUint32(ResourceCreate2d.resourceId, resourceId, true);
  view.setUint32(ResourceCreate2d.format, format, true);
  view.setUint32(ResourceCreate2d.width, width, true);
  view.setUint32(ResourceCreate2d.height, height, true);
  return view;
}

export function unrefResource(resourceId: number, header?: HeaderFields): DataView {
  const view = request(Command.RESOURCE_UNREF, ResourceUnref.bytes, header);
  view.setUint32(ResourceUnref.resourceId, resourceId, true);
  return view;
}

export function setScanout(
  scanoutId: number,
  resourceId: number,
  rectangle: Rectangle,
  header?: HeaderFields,
): DataView {
  const view = request(Command.SET_SCANOUT, SetScanout.bytes, header);
  writeRectangle(view, rectangle);
  view.setUint32(SetScanout.scanoutId, scanoutId, true);
  view.setUint32(SetScanout.resourceId, resourceId, true);
  return view;
}

export function flushResource(resourceId: number, rectangle: Rectangle, header?: HeaderFields): DataView {
  const view = request(Command.RESOURCE_FLUSH, ResourceFlush.bytes, header);
  writeRectangle(view, rectangle);
  view.setUint32(ResourceFlush.resourceId, resourceId, true);
  return view;
}

/** `offset`: where in the backing the rectangle's first pixel is, in bytes. */
export function transferToHost2d(
  resourceId: number,
  rectangle: Rectangle,
  offset: number | bigint,
  header?: HeaderFields,
): DataView {
  const view = request(Command.TRANSFER_TO_HOST_2D, TransferToHost2d.bytes, header);
  writeRectangle(view, rectangle);
  view.setBigUint64(TransferToHost2d.offset, BigInt(offset), true);
  view.setUint32(TransferToHost2d.resourceId, resourceId, true);
  return view;
}

/** `entryCount`: what the request claims, when that is not the number of `entries`. */
export function attachBacking(
  resourceId: number,
  entries: readonly GuestRange[],
  header?: HeaderFields,
  entryCount: number = entries.length,
): DataView {
  const bytes = AttachBacking.bytes + entries.length * MemoryEntry.bytes;
  const view = request(Command.RESOURCE_ATTACH_BACKING, bytes, header);
  view.setUint32(AttachBacking.resourceId, resourceId, true);
  view.setUint32(AttachBacking.entryCount, entryCount, true);
  writeEntries(view, AttachBacking.bytes, entries);
  return view;
}

export function detachBacking(resourceId: number, header?: HeaderFields): DataView {
  const view = request(Command.RESOURCE_DETACH_BACKING, DetachBacking.bytes, header);
  view.setUint32(DetachBacking.resourceId, resourceId, true);
  return view;
}

export function assignUuid(resourceId: number, header?: HeaderFields): DataView {
  const view = request(Command.RESOURCE_ASSIGN_UUID, OfResource.bytes, header);
  view.setUint32(OfResource.resourceId, resourceId, true);
  return view;
}

export function getCapsetInfo(capsetIndex: number, header?: HeaderFields): DataView {
  const view = request(Command.GET_CAPSET_INFO, GetCapsetInfo.bytes, header);
  view.setUint32(GetCapsetInfo.capsetIndex, capsetIndex, true);
  return view;
}

export function getCapset(capsetId: number, version: number, header?: HeaderFields): DataView {
  const view = request(Command.GET_CAPSET, GetCapset.bytes, header);
  view.setUint32(GetCapset.capsetId, capsetId, true);
  view.setUint32(GetCapset.capsetVersion, version, true);
  return view;
}

export function getEdid(scanoutId: number, header?: HeaderFields): DataView {
  const view = request(Command.GET_EDID, GetEdid.bytes, header);
  view.setUint32(GetEdid.scanoutId, scanoutId, true);
  return view;
}

/** Where a cursor is: the position of its hot spot on a scanout. */
export interface CursorPlace {
  scanoutId: number;
  x: number;
  y: number;
}

/** Resource 0 hides the cursor. */
export function updateCursor(
  place: CursorPlace,
  resourceId: number,
  hotX = 0,
  hotY = 0,
  header?: HeaderFields,
): DataView {
  const view = cursor(Command.UPDATE_CURSOR, place, header);
  view.setUint32(Cursor.resourceId, resourceId, true);
  view.setUint32(Cursor.hotX, hotX, true);
  view.setUint32(Cursor.hotY, hotY, true);
  return view;
}

/** Resource 0 hides the cursor, any other shows it. */
export function moveCursor(place: CursorPlace, resourceId: number, header?: HeaderFields): DataView {
  const view = cursor(Command.MOVE_CURSOR, place, header);
  view.setUint32(Cursor.resourceId, resourceId, true);
  return view;
}

function cursor(type: number, place: CursorPlace, header?: HeaderFields): DataView {
  const view = request(type, Cursor.bytes, header);
  view.setUint32(Cursor.scanoutId, place.scanoutId, true);
  view.setUint32(Cursor.x, place.x, true);
  view.setUint32(Cursor.y, place.y, true);
  return view;
}

/** Entries of a backing, from byte `at` on. */
export function writeEntries(view: DataView, at: number, entries: readonly GuestRange[]): void {
  entries.forEach(({ address, length }, index) => {
    const offset = at + index * MemoryEntry.bytes;
    view.setUint32(offset + MemoryEntry.address, address >>> 0, true);
    view.setUint32(offset + MemoryEntry.address + 4, Math.floor(address / 2 ** 32), true);
    view.setUint32(offset + MemoryEntry.length, length, true);
  });
}

export function writeRectangle(view: DataView, { x, y, width, height }: Rectangle): void {
  // Every request with a rectangle has it directly after the header.
  view.setUint32(Header.bytes, x, true);
  view.setUint32(Header.bytes + 4, y, true);
  view.setUint32(Header.bytes + 8, width, true);
  view.setUint32(Header.bytes + 12, height, true);
}
