// Transfers inside of a stream. Every function appends one command to `stream`.

import type { Box } from "../commands-3d.ts";
import { Ccmd } from "./protocol.ts";
import type { CommandStream } from "./stream.ts";

/** What a transfer moves. Strides in bytes, 0: the level's own; `offset` into the backing, in bytes. */
export interface StreamTransfer {
  resourceId: number;
  box: Box;
  offset?: number;
  level?: number;
  stride?: number;
  layerStride?: number;
}

/** Between a resource and its own backing. */
export function transfer3d(
  stream: CommandStream,
  direction: "to-host" | "from-host",
  transfer: StreamTransfer,
): void {
  stream.begin(Ccmd.TRANSFER3D);
  writeTransfer(stream, transfer);
  stream.word(transfer.offset ?? 0);
  stream.word(direction === "to-host" ? 1 : 2);
  stream.end();
}

/** Between a resource and the backing of another, `backingId`. */
export function copyTransfer3d(
  stream: CommandStream,
  direction: "to-host" | "from-host",
  transfer: StreamTransfer,
  backingId: number,
): void {
  stream.begin(Ccmd.COPY_TRANSFER3D);
  writeTransfer(stream, transfer);
  stream.word(backingId);
  stream.word(transfer.offset ?? 0);
  stream.word(direction === "to-host" ? 0 : 2);
  stream.end();
}

function writeTransfer(stream: CommandStream, transfer: StreamTransfer): void {
  const { x, y, z, width, height, depth } = transfer.box;
  stream.word(transfer.resourceId);
  stream.word(transfer.level ?? 0);
  stream.word(0); // usage
  stream.word(transfer.stride ?? 0);
  stream.word(transfer.layerStride ?? 0);
  for (const word of [x, y, z, width, height, depth]) stream.word(word);
}
