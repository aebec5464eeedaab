// A flush that reaches a scanout, told to the recorder: with a checksum of what is shown, where that is asked for.

import { bytesPerPixel } from "../../../transport/wire/virtio-gpu/protocol.ts";
import { EntryKind } from "../../../transport/wire/record/entries.ts";
import type { QueueRecording } from "../../queue/recording.ts";
import type { Showable } from "../pixels/pixels.ts";

const checksumBytes = 4;

export function recordFrame(
  { ring, hasChecksums }: QueueRecording,
  scanouts: number,
  id: number,
  picture: Showable,
  x: number,
  y: number,
  width: number,
  height: number,
): void {
  if (!hasChecksums) {
    ring.begin(EntryKind.frame, 0, scanouts, id, x, y, width, height);
    return ring.end();
  }
  ring.begin(EntryKind.frame, checksumBytes, scanouts, id, x, y, width, height);
  ring.putWord(checksumOf(picture, x, y, width, height));
  ring.end();
}

/** crc32 of a rectangle's rows; of what is black for having never been written, as if it had been. */
function checksumOf({ pixels }: Showable, x: number, y: number, width: number, height: number): number {
  const storage = pixels.memory();
  // A read-back that fails is the display's to tell.
  if (storage === null || pixels.refreshMemory(x, y, width, height) !== 0) return 0;
  const bytes = new Uint8Array(storage.view());
  const { stride } = storage;
  const rowBytes = width * bytesPerPixel;
  let checksum = 0;
  for (let row = y; row < y + height; row++) {
    const at = row * stride + x * bytesPerPixel;
    checksum = Bun.hash.crc32(bytes.subarray(at, at + rowBytes), checksum);
  }
  return checksum;
}
