// The state of the device as entries of a recording, from which a replay may begin.

import { bytesPerPixel, scanoutsMax } from "../../../../transport/wire/virtio-gpu/protocol.ts";
import { EntryKind, ResourceFlag } from "../../../../transport/wire/record/entries.ts";
import type { QueueRecording } from "../../../queue/recording.ts";
import type { Model } from "../../model/model.ts";
import type { Resource } from "../../model/resources.ts";
import { CpuPixels } from "../../pixels/cpu-pixels.ts";
import type { Storage } from "../../pixels/storage/storage.ts";
import type { DisplayOutbox } from "../display-outbox.ts";

/** Rows are told in entries of about so many bytes. */
const bodyBytesMax = 1024 * 1024;
/** Beside the pixels: heads of entries and backings, which are short. */
const entryBytes = 64;
const runBytes = 16;

/** Bytes that {@link writeKeyframe} needs in the ring. */
export function keyframeBytes({ resources }: Model): number {
  let bytes = entryBytes * (2 + scanoutsMax);
  for (const resource of resources.all()) {
    const storage = storageOf(resource);
    if (storage !== null) bytes += storage.size;
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
    const shown = scanouts.at(id)!.shown;
    if (shown === null) continue;
    const { x, y, width, height } = outbox.viewOf(id);
    recording.plain(EntryKind.scanout, id, shown.id, x, y, width, height);
  }
  recording.plain(EntryKind.keyframeEnd);
}

const storageOf = ({ pixels }: Resource): Storage | null =>
  pixels instanceof CpuPixels ? pixels.held : null;

function countRendered({ resources }: Model): number {
  let count = 0;
  for (const { pixels } of resources.all()) if (!(pixels instanceof CpuPixels)) count++;
  return count;
}

function writeResource(recording: QueueRecording, resource: Resource): void {
  const { id, format, width, height, pixels, backing } = resource;
  const flags =
    (pixels instanceof CpuPixels ? 0 : ResourceFlag.rendered) | (backing === null ? 0 : ResourceFlag.backed);
  recording.plain(EntryKind.resource, id, format, width, height, flags);
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
