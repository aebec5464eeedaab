// Brings a device that knows nothing to what a keyframe says: with a driver's commands, like any other.

import type { DeviceState, RecordedCursor } from "../../src/recording/device-state.ts";
import type { RecordedResource } from "../../src/recording/recorded-resource.ts";
import { cursorSize, Format } from "../../src/transport/wire/virtio-gpu/protocol.ts";
import { Refusal } from "../../src/transport/os/errors.ts";
import { type CursorPlace, updateCursor } from "../driver/commands.ts";
import type { GuestBuffer } from "../driver/guest-memory.ts";
import type { SyntheticGuest } from "../driver/synthetic-guest.ts";

/** Gives the device all of `state` that is known. Throws a {@link Refusal} where it does not take it. */
export function restore(guest: SyntheticGuest, state: DeviceState): void {
  const scratch = new Scratch(guest);
  for (const resource of state.resources.values()) if (!resource.isRendered) make(guest, resource, scratch);
  const isHere = (id: number): boolean => state.resources.get(id)?.isRendered === false;
  state.scanouts.forEach((shown, id) => {
    if (shown !== null && isHere(shown.resource)) {
      ok(guest.gpu.setScanout(id, shown.resource, shown), `scanout ${id}`);
    }
  });
  state.cursors.forEach((_, id) => restoreCursor(guest, state, id));
}

/** As {@link restore}, of one scanout's cursor. */
export function restoreCursor(guest: SyntheticGuest, state: DeviceState, scanout: number): void {
  const cursor = state.cursors[scanout] ?? null;
  if (cursor !== null) showCursor(guest, scanout, cursor, freeId(state), new Scratch(guest));
}

function make(guest: SyntheticGuest, resource: RecordedResource, scratch: Scratch): void {
  const { id, format, width, height, pixels, backing } = resource;
  const { gpu } = guest;
  ok(gpu.createResource2d(id, format, width, height), `resource ${id}`);
  if (pixels !== null) {
    ok(gpu.attachBacking(id, [scratch.with(pixels)]), `resource ${id}`);
    ok(gpu.transferToHost2d(id, { x: 0, y: 0, width, height }), `the pixels of resource ${id}`);
    ok(gpu.detachBacking(id), `resource ${id}`);
  }
  // What it was attached to may be memory that is gone.
  if (backing !== null) gpu.attachBacking(id, backing);
}

function showCursor(
  guest: SyntheticGuest,
  scanoutId: number,
  { x, y, hotX, hotY, image, isVisible }: RecordedCursor,
  id: number,
  scratch: Scratch,
): void {
  const place: CursorPlace = { scanoutId, x, y };
  if (!isVisible || image === null) return;
  const { gpu, cursor } = guest;
  const size = { width: cursorSize, height: cursorSize };
  ok(gpu.createResource2d(id, Format.B8G8R8A8, size.width, size.height), "a cursor");
  ok(gpu.attachBacking(id, [scratch.with(image)]), "a cursor");
  ok(gpu.transferToHost2d(id, { x: 0, y: 0, ...size }), "a cursor");
  ok(cursor.call(updateCursor(place, id, hotX, hotY)), "a cursor");
  ok(gpu.unrefResource(id), "a cursor");
}

/** A resource's number that the recording does not use at this place. */
function freeId({ resources }: DeviceState): number {
  let id = 0x7fff_ffff;
  while (resources.has(id)) id--;
  return id;
}

function ok({ type }: { type: number }, what: string): void {
  if (type < 0x1100 || type >= 0x1200) {
    throw new Refusal(`the server does not take ${what} of the keyframe: 0x${type.toString(16)}`);
  }
}

/** A picture of 16,384 × 8,192; larger ones are none of a display's. */
const scratchBytesMax = 512 * 1024 * 1024;

/** Guest memory for pixels on their way, in pieces that are used again. */
class Scratch {
  private buffer: GuestBuffer | null = null;

  constructor(private readonly guest: SyntheticGuest) {}

  with(bytes: Uint8Array): GuestBuffer {
    if (bytes.length > scratchBytesMax) throw new Refusal("a keyframe has a picture that is too large");
    if (this.buffer === null || this.buffer.length < bytes.length) {
      this.buffer = this.guest.memory.allocate(bytes.length);
    }
    this.buffer.bytes.set(bytes);
    return this.buffer.slice(0, bytes.length);
  }
}
