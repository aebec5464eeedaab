// Brings a device that knows nothing to what a keyframe says: with a driver's commands, like any other.

import type { DeviceState, RecordedCursor } from "../../src/recording/device-state.ts";
import type { RecordedResource } from "../../src/recording/recorded-resource.ts";
import { BlobMem, cursorSize, Format } from "../../src/transport/wire/virtio-gpu/protocol.ts";
import { Refusal } from "../../src/transport/os/errors.ts";
import type { CommandQueue, CommandResult } from "../driver/command-queue.ts";
import * as commands from "../driver/commands.ts";
import { createBlob, setScanoutBlob } from "../driver/commands-blob.ts";
import type { GuestBuffer, GuestRange } from "../driver/guest-memory.ts";
import type { SyntheticGuest } from "../driver/synthetic-guest.ts";
import type { Wait } from "./replay-guest.ts";

/** A picture of 16,384 × 8,192; larger ones are none of a display's. */
const scratchBytesMax = 512 * 1024 * 1024;

/** Each method yields what is to be waited for, and throws a {@link Refusal} where the device does not take what it is given. */
export class Restorer {
  /** Guest memory for pixels on their way, which is used again. */
  private buffer: GuestBuffer | null = null;

  constructor(private readonly guest: SyntheticGuest) {}

  /** Gives the device all of `state` that is known. */
  *restore(state: DeviceState): Generator<Wait, void> {
    const { control } = this.guest;
    for (const resource of state.resources.values()) if (!resource.isRendered) yield* this.make(resource);
    for (const [id, shown] of state.scanouts.entries()) {
      if (shown === null || state.resources.get(shown.resource)?.isRendered !== false) continue;
      const { resource, layout } = shown;
      const request =
        layout === undefined
          ? commands.setScanout(id, resource, shown)
          : setScanoutBlob(id, resource, shown, {
              ...layout,
              strides: [layout.stride],
              offsets: [layout.offset],
            });
      yield* accepted(control, request, `scanout ${id}`);
    }
    for (const id of state.cursors.keys()) yield* this.restoreCursor(state, id);
  }

  /** As {@link restore}, of one scanout's cursor. */
  *restoreCursor(state: DeviceState, scanout: number): Generator<Wait, void> {
    const cursor = state.cursors[scanout] ?? null;
    if (cursor !== null) yield* this.showCursor(scanout, cursor, freeId(state));
  }

  private *make(resource: RecordedResource): Generator<Wait, void> {
    if (resource.blob !== null) return yield* this.makeBlob(resource, resource.blob);
    const { id, format, width, height, pixels, backing } = resource;
    const { control } = this.guest;
    yield* accepted(control, commands.createResource2d(id, format, width, height), `resource ${id}`);
    if (pixels !== null) yield* this.fill(id, { width, height }, pixels, `resource ${id}`);
    // What it was attached to may be memory that is gone.
    if (backing !== null) yield* answered(control, commands.attachBacking(id, backing), `resource ${id}`);
  }

  /** A guest's blob in the pages that it was in, or in others where those are gone. */
  private *makeBlob(
    { id, backing, pixels }: RecordedResource,
    { size, flags }: NonNullable<RecordedResource["blob"]>,
  ): Generator<Wait, void> {
    const { control, memory } = this.guest;
    const isThere = (run: GuestRange): boolean =>
      memory.regions.some((region) => region.holds(run.address, run.length));
    const isBacked = backing !== null && backing.every(isThere);
    if (!isBacked && size > scratchBytesMax) throw new Refusal("a keyframe has a blob that is too large");
    const pages: readonly GuestRange[] = isBacked ? backing : [memory.allocate(size)];
    if (pixels !== null) memory.scatter(pixels, pages);
    const request = createBlob({ resourceId: id, mem: BlobMem.GUEST, flags, size }, pages);
    yield* accepted(control, request, `resource ${id}`);
    if (backing === null) yield* accepted(control, commands.detachBacking(id), `resource ${id}`);
  }

  /** Transfers pixels, and leaves the resource without backing. */
  private *fill(id: number, size: Size, pixels: Uint8Array, what: string): Generator<Wait, void> {
    const { control } = this.guest;
    yield* accepted(control, commands.attachBacking(id, [this.place(pixels)]), what);
    yield* accepted(
      control,
      commands.transferToHost2d(id, { x: 0, y: 0, ...size }, 0),
      `the pixels of ${what}`,
    );
    yield* accepted(control, commands.detachBacking(id), what);
  }

  private *showCursor(
    scanoutId: number,
    { x, y, hotX, hotY, image, isVisible }: RecordedCursor,
    id: number,
  ): Generator<Wait, void> {
    if (!isVisible || image === null) return;
    const { control, cursor } = this.guest;
    const size = { width: cursorSize, height: cursorSize };
    const make = commands.createResource2d(id, Format.B8G8R8A8, size.width, size.height);
    yield* accepted(control, make, "a cursor");
    yield* this.fill(id, size, image, "a cursor");
    yield* accepted(cursor, commands.updateCursor({ scanoutId, x, y }, id, hotX, hotY), "a cursor");
    yield* accepted(control, commands.unrefResource(id), "a cursor");
  }

  private place(bytes: Uint8Array): GuestBuffer {
    if (bytes.length > scratchBytesMax) throw new Refusal("a keyframe has a picture that is too large");
    if (this.buffer === null || this.buffer.length < bytes.length) {
      // What was too small stays taken: all of them together are no more than twice the last.
      this.buffer = this.guest.memory.allocate(2 ** Math.ceil(Math.log2(bytes.length)));
    }
    this.buffer.bytes.set(bytes);
    return this.buffer.slice(0, bytes.length);
  }
}

interface Size {
  readonly width: number;
  readonly height: number;
}

/** A resource's number that the recording does not use at this place. */
function freeId({ resources }: DeviceState): number {
  let id = 0x7fff_ffff;
  while (resources.has(id)) id--;
  return id;
}

function* answered(queue: CommandQueue, request: DataView, what: string): Generator<Wait, CommandResult> {
  const submission = queue.submit(request);
  yield { happened: () => submission.done, what: `the answer to ${what} of a keyframe`, chains: 1 };
  return submission.result;
}

function* accepted(queue: CommandQueue, request: DataView, what: string): Generator<Wait, void> {
  const { type } = yield* answered(queue, request, what);
  if (type < 0x1100 || type >= 0x1200) {
    throw new Refusal(`the server does not take ${what} of the keyframe: 0x${type.toString(16)}`);
  }
}
