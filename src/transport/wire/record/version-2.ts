// Reads recordings of version 2. They lie in the file as those of version 1 do; but of a TRANSFER_TO_HOST_2D rows may be left out
// that the resource had already, so that a reader of version 1 would play something else.

import { growVersion1 } from "./growing-1.ts";
import type { GrowingRecording, ReadAt, Recording } from "./recording.ts";
import { openVersion1 } from "./version-1.ts";

export const openVersion2 = (readAt: ReadAt, size: number, close: () => void): Recording =>
  openVersion1(readAt, size, close, 2);

export const growVersion2 = (readAt: ReadAt, size: number, close: () => void): GrowingRecording | null =>
  growVersion1(readAt, size, close, 2);
