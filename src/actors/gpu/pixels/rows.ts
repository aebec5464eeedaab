// Rows of a backing on their way to pixels: `stride` apart from byte `offset` of the backing on, of which it holds `held` bytes,
// the gaps between them included. The last row need not be padded, and the backing may end within it.

import type { QueueRecording } from "../../queue/recording.ts";
import type { Backing } from "../renderer/backing.ts";

/** Copies them. Returns false, with a part copied, when some of the backing is no longer guest memory. */
export function copyRows(
  backing: Backing,
  offset: number,
  held: number,
  rowBytes: number,
  stride: number,
  destination: number,
  destinationStride: number,
): boolean {
  if (rowBytes === stride && destinationStride === stride) return backing.copyTo(offset, destination, held);
  let to = destination;
  for (let at = 0; at < held; at += stride) {
    if (!backing.copyTo(offset + at, to, Math.min(rowBytes, held - at))) return false;
    to += destinationStride;
  }
  return true;
}

/** Rows are compared, copied and told so many bytes at a time: they are in the cache then. */
const bandBytes = 128 * 1024;

/**
 * As {@link copyRows}, and tells the recording of resource `id`: but for rows that are there already, which are not copied. Of
 * what could be copied in part it tells what is there then.
 */
export function copyNewRows(
  recording: QueueRecording,
  id: number,
  backing: Backing,
  offset: number,
  held: number,
  rowBytes: number,
  stride: number,
  destination: number,
  destinationStride: number,
): boolean {
  const most = Math.max(1, Math.floor(bandBytes / rowBytes));
  for (let at = 0, to = destination; at < held; at += most * stride, to += most * destinationStride) {
    // The last band has a row of which the backing holds a part, maybe.
    const bytes = Math.min((most - 1) * stride + rowBytes, held - at);
    const from = offset + at;
    if (hasRows(backing, from, bytes, rowBytes, stride, to, destinationStride)) continue;
    const isWhole = copyRows(backing, from, bytes, rowBytes, stride, to, destinationStride);
    tellRows(recording, id, from, bytes, rowBytes, stride, to, destinationStride);
    if (!isWhole) return false;
  }
  return true;
}

/** Tells the recording of resource `id` rows that were read and are now at native `address`. */
export function tellRows(
  recording: QueueRecording,
  id: number,
  offset: number,
  held: number,
  rowBytes: number,
  stride: number,
  address: number,
  addressStride: number,
): void {
  const rows = held < rowBytes ? 0 : Math.floor((held - rowBytes) / stride) + 1;
  recording.rowsAt(address, addressStride, id, offset, rowBytes, rows, stride);
  const rest = Math.min(rowBytes, held - rows * stride);
  if (rest > 0) {
    recording.rowsAt(address + rows * addressStride, 0, id, offset + rows * stride, rest, 1, 0);
  }
}

function hasRows(
  backing: Backing,
  offset: number,
  held: number,
  rowBytes: number,
  stride: number,
  destination: number,
  destinationStride: number,
): boolean {
  if (rowBytes === stride && destinationStride === stride) return backing.equals(offset, destination, held);
  let to = destination;
  for (let at = 0; at < held; at += stride) {
    if (!backing.equals(offset + at, to, Math.min(rowBytes, held - at))) return false;
    to += destinationStride;
  }
  return true;
}
