// The payloads of a VMM's answers on its display socket.

import { DisplayInfo, Edid, Response } from "../../src/transport/wire/virtio-gpu/protocol.ts";
import type { Rectangle } from "../driver/commands.ts";

/** Writes a payload that is zero so far. */
export type Payload = (view: DataView, bytes: Uint8Array) => void;

export const features =
  (offered: number): Payload =>
  (view) =>
    view.setBigUint64(0, BigInt(offered), true);

/** struct virtio_gpu_resp_display_info of one output a mode; those with no width are off. */
export const displayInfo =
  (modes: readonly Rectangle[]): Payload =>
  (view) => {
    const { mode: field } = DisplayInfo;
    view.setUint32(0, Response.OK_DISPLAY_INFO, true);
    modes.forEach((mode, index) => {
      const offset = DisplayInfo.modes + index * field.bytes;
      view.setUint32(offset + field.x, mode.x, true);
      view.setUint32(offset + field.y, mode.y, true);
      view.setUint32(offset + field.width, mode.width, true);
      view.setUint32(offset + field.height, mode.height, true);
      view.setUint32(offset + field.enabled, mode.width > 0 ? 1 : 0, true);
    });
  };

/** struct virtio_gpu_resp_edid. */
export const edid =
  (block: Uint8Array): Payload =>
  (view, bytes) => {
    view.setUint32(0, Response.OK_EDID, true);
    view.setUint32(Edid.size, block.length, true);
    bytes.set(block, Edid.edid);
  };

/** A block that names the maker "FPT" and nothing else, with header and checksum of an EDID 1.4. */
export function plainEdid(): Uint8Array {
  const block = new Uint8Array(128);
  block.set([0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0x1a, 0x14, 1, 0, 1, 0, 0, 0, 1, 34, 1, 4]);
  block[127] = 256 - (block.reduce((sum, byte) => sum + byte, 0) & 0xff);
  return block;
}
