// The state of the device as entries of a recording, from which a replay may begin.

import { BlobMem, bytesPerPixel, scanoutsMax } from "../../../../transport/wire/virtio-gpu/protocol.ts";
import { EntryKind, ResourceFlag } from "../../../../transport/wire/record/entries.ts";
import type { QueueRecording } from "../../../queue/recording.ts";
import type { Model } from "../../model/model.ts";
import type { Resource } from "../../model/resources.ts";
import { BlobPixels } from "../../pixels/blobs/blob-pixels.ts";
import { BlobView } from "../../pixels/blobs/blob-view.ts";
import { CpuPixels } from "../../pixels/cpu-pixels.ts";
import type { Storage } from "../../pixels/storage/storage.ts";
import type { DisplayOutbox } from "../display-outbox.ts";

/** Rows are told in entries of about so many bytes. */
const bodyBytesMax = 1024 * 1024;
/** Beside the pixels: heads of entries and backings, which are short. */
const entryBytes = 64;
const runBytes = 16;
const layoutBytes = 5 * 4;

/** Bytes that {@link writeKeyframe} needs in the ring. */
export function keyframeBytes({ resources }: Model): number {
  let bytes = entryBytes * (2 + scanoutsMax);
  for (const resource of resources.all()) {
    const storage = storageOf(resource);
    if (storage !== null) bytes += storage.size;
    if (resource.pixels instanceof BlobPixels) bytes += shownBytes(resource.pixels);
    bytes += 3 * entryBytes + (resource.backing?.runCount ?? 0) * runBytes;
  }
  return bytes;
}

/** Whether some of the state cannot be told: a replay from such a keyframe lacks it. */
export const hasRendered = (model: Model): boolean => countRendered(model) > 0 || model.contexts.count > 0;

export function writeKeyframe(
  recording: QueueRecording,
  model: Model,
  outbox: DisplayOutbox,
  features: number,
): void {
  const { resources, contexts, scanouts } = model;
  recording.plain(EntryKind.keyframe, features, contexts.count, countRendered(model));
  for (const resource of resources.all()) writeResource(recording, resource);
  for (let id = 0; id < scanoutsMax; id++) {
    const { shown, picture } = scanouts.at(id)!;
    if (shown === null) continue;
    const { x, y, width, height } = outbox.viewOf(id);
    if (picture instanceof BlobView) writeBlobScanout(recording, picture, id, x, y, width, height);
    else recording.plain(EntryKind.scanout, id, shown.id, x, y, width, height);
  }
  recording.plain(EntryKind.keyframeEnd);
}

const storageOf = ({ pixels }: Resource): Storage | null =>
  pixels instanceof CpuPixels ? pixels.held : null;

/** What lies in memory of ours, or of the guest's, can be told. */
const isTold = ({ pixels, blob }: Resource): boolean =>
  pixels instanceof CpuPixels || blob?.mem === BlobMem.GUEST;

function countRendered({ resources }: Model): number {
  let count = 0;
  for (const resource of resources.all()) if (!isTold(resource)) count++;
  return count;
}

/** Bytes of its layouts, as many as are told at most. */
function shownBytes({ views }: BlobPixels): number {
  let bytes = 0;
  for (const { layout } of views) bytes += layout.span + layout.height * entryBytes;
  return bytes;
}

/** The picture is told as a command would that shows it. */
function writeBlobScanout(
  recording: QueueRecording,
  view: BlobView,
  scanout: number,
  x: number,
  y: number,
  width: number,
  height: number,
): void {
  const { ring } = recording;
  recording.bytesKind = EntryKind.blobBytes;
  view.pixels.record(recording, x, y, width, height);
  recording.bytesKind = EntryKind.bytes;
  ring.begin(EntryKind.blobScanout, layoutBytes, scanout, view.id, x, y, width, height);
  const { layout } = view;
  for (const word of [layout.width, layout.height, layout.format, layout.stride, layout.offset]) {
    ring.putWord(word);
  }
  ring.end();
}

function writeResource(recording: QueueRecording, resource: Resource): void {
  const { id, format, width, height, blob, backing } = resource;
  if (blob?.mem === BlobMem.GUEST) {
    const { mem, flags, size } = blob;
    recording.plain(EntryKind.blob, id, mem, flags, size % 2 ** 32, Math.floor(size / 2 ** 32));
  } else {
    const flags =
      (isTold(resource) ? 0 : ResourceFlag.rendered) | (backing === null ? 0 : ResourceFlag.backed);
    recording.plain(EntryKind.resource, id, format, width, height, flags);
  }
  const storage = storageOf(resource);
  if (storage !== null) writePixels(recording, resource, storage);
  if (backing === null) return;
  const { ring } = recording;
  ring.begin(EntryKind.backing, backing.runCount * runBytes, id);
  for (let run = 0; run < backing.runCount; run++) {
    recording.long(backing.guestOf(run));
    recording.long(backing.bytesOf(run));
  }
  ring.end();
}

function writePixels({ ring }: QueueRecording, { id, width, height }: Resource, storage: Storage): void {
  const rowBytes = width * bytesPerPixel;
  const most = Math.max(1, Math.floor(bodyBytesMax / rowBytes));
  for (let row = 0; row < height; row += most) {
    const rows = Math.min(most, height - row);
    ring.begin(EntryKind.pixels, rows * rowBytes, id, row, rows);
    for (let one = row; one < row + rows; one++) ring.put(storage.address + one * storage.stride, rowBytes);
    ring.end();
  }
}
