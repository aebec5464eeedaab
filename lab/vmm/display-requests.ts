// What a back-end sends on its display socket, decoded; and what a VMM remembers of it.

import {
  CursorPosition,
  CursorUpdate,
  DisplayRequest,
  DmabufScanout,
  DmabufScanout2,
  Scanout,
  Update,
} from "../../src/transport/wire/vhost-user-gpu/protocol.ts";
import { cursorSize } from "../../src/transport/wire/virtio-gpu/protocol.ts";
import type { Rectangle } from "../driver/commands.ts";
import type { LentDmabuf } from "./display-scanout.ts";

/** What arrived, in order. */
export type DisplayEvent =
  | { kind: "scanout"; scanoutId: number; width: number; height: number }
  | {
      kind: "update" | "dmabuf-update";
      scanoutId: number;
      x: number;
      y: number;
      width: number;
      height: number;
    }
  /** Width and height 0: it was taken off. */
  | { kind: "dmabuf-scanout"; scanoutId: number; width: number; height: number }
  | { kind: "cursor-update" | "cursor-move" | "cursor-hide"; scanoutId: number; x: number; y: number }
  | { kind: "asked"; request: number };

const cursorBytes = cursorSize * cursorSize * 4;

/** SCANOUT. */
export const decodeScanout = (payload: DataView) => ({
  scanoutId: payload.getUint32(Scanout.scanoutId, true),
  width: payload.getUint32(Scanout.width, true),
  height: payload.getUint32(Scanout.height, true),
});

/** UPDATE's first fields, and all of DMABUF_UPDATE. */
export const decodeUpdate = (payload: DataView): Rectangle & { scanoutId: number } => ({
  scanoutId: payload.getUint32(Update.scanoutId, true),
  x: payload.getUint32(Update.x, true),
  y: payload.getUint32(Update.y, true),
  width: payload.getUint32(Update.width, true),
  height: payload.getUint32(Update.height, true),
});

/** DMABUF_SCANOUT, and the second of its name, which brings a modifier. */
export function decodeDmabuf(
  request: number,
  payload: DataView,
): Omit<LentDmabuf, "fd"> & { scanoutId: number } {
  const field = (offset: number): number => payload.getUint32(offset, true);
  const hasModifier = request === DisplayRequest.DMABUF_SCANOUT2;
  return {
    scanoutId: field(DmabufScanout.scanoutId),
    width: field(DmabufScanout.fdWidth),
    height: field(DmabufScanout.fdHeight),
    stride: field(DmabufScanout.fdStride),
    offset: 0,
    flags: field(DmabufScanout.fdFlags),
    fourcc: field(DmabufScanout.fdFourcc),
    modifierLow: hasModifier ? field(DmabufScanout2.modifier) : 0,
    modifierHigh: hasModifier ? field(DmabufScanout2.modifier + 4) : 0,
    view: {
      x: field(DmabufScanout.x),
      y: field(DmabufScanout.y),
      width: field(DmabufScanout.width),
      height: field(DmabufScanout.height),
    },
  };
}

/** CURSOR_POS and CURSOR_POS_HIDE, and those fields of CURSOR_UPDATE. */
export const decodeCursorPosition = (payload: DataView) => ({
  scanoutId: payload.getUint32(CursorPosition.scanoutId, true),
  x: payload.getUint32(CursorPosition.x, true),
  y: payload.getUint32(CursorPosition.y, true),
});

/** What CURSOR_UPDATE has more: the hot spot, and 64 x 64 pixels of bytes B, G, R, A. */
export const decodeCursorImage = (payload: DataView) => ({
  hotX: payload.getUint32(CursorUpdate.hotX, true),
  hotY: payload.getUint32(CursorUpdate.hotY, true),
  image: new Uint8Array(payload.buffer, payload.byteOffset + CursorUpdate.data, cursorBytes),
});
