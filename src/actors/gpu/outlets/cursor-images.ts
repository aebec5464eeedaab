// Cursor images for the cursor queue: a resource's pixels copied into shared memory that the display reads.

import { NativeMemory } from "../../../transport/os/native-memory.ts";
import { closeFd, createMemfd, duplicateFdIfRoom } from "../../../transport/os/fds.ts";
import { cursorSize, Response, scanoutsMax } from "../../../transport/wire/virtio-gpu/protocol.ts";
import { slotsPerScanout } from "../device-type.ts";
import type { ActorContext } from "../../runtime/actor.ts";
import type { Model } from "../model/model.ts";
import type { AfterCommands } from "./after-commands.ts";
import { isPicture } from "../pixels/form.ts";

const imageWords = cursorSize * cursorSize;
const imageBytes = imageWords * 4;
/** How soon what the host had no room for is tried again. */
const retryMs = 1000;

/** What {@link CursorImages.copy} returns of an image that is not {@link cursorSize} wide and high; no virtio code. */
const otherSize = -1;

export class CursorImages {
  private readonly slots = scanoutsMax * slotsPerScanout;
  private readonly fd = createMemfd("fencepost-cursors", this.slots * imageBytes);
  private readonly pool = NativeMemory.mapShared(this.fd, 0, this.slots * imageBytes, "write");
  private readonly words = new Uint32Array(this.pool.view());
  private readonly event: number;
  private hasWarned = false;

  constructor(
    private readonly context: ActorContext,
    private readonly model: Model,
    private readonly afterCommands: AfterCommands,
  ) {
    this.event = model.lifecycles.resource.event("UPDATE_CURSOR");
    this.announce();
  }

  /** Gives the display its own descriptor of the pool, as soon as one is to be had. */
  announce(): void {
    const { context } = this;
    const fd = duplicateFdIfRoom(this.fd);
    if (fd >= 0) context.send("display", { type: "map-cursor-pool", fd, slots: this.slots });
    else {
      context.log.warning("cursors are not shown while no file descriptor is left");
      context.timers.after(retryMs, () => this.announce());
    }
  }

  /** Answers once every command that already waits has been run: the image's transfer is often one of them. */
  request(token: number, resource: number, slot: number): void {
    this.afterCommands.run(() => {
      const error = this.copy(resource, slot);
      const isNew = error === 0;
      const code = error === otherSize ? 0 : error;
      this.context.send("cursor-queue", { type: "cursor-image", token, error: code, isNew });
    });
  }

  close(): void {
    this.pool.unmap();
    closeFd(this.fd);
  }

  /** Returns 0, the virtio error that says why there is no image, or {@link otherSize}. */
  private copy(id: number, slot: number): number {
    const { resources, lifecycles } = this.model;
    const resource = resources.get(id);
    const refusal = lifecycles.resource.may(resource, this.event);
    if (refusal !== 0) return refusal;
    const { width, height } = resource!;
    if (width !== cursorSize || height !== cursorSize) {
      this.warn(width, height);
      return otherSize;
    }
    if (!isPicture(resource!)) return Response.ERR_INVALID_PARAMETER;
    const image = this.words.subarray(slot * imageWords, (slot + 1) * imageWords);
    // The fourth byte is alpha whatever the format says: Linux puts ARGB cursors into resources of B8G8R8X8.
    if (!resource!.pixels.copyTo(image)) return Response.ERR_OUT_OF_MEMORY;
    lifecycles.resource.take(resource!, this.event);
    return 0;
  }

  private warn(width: number, height: number): void {
    if (this.hasWarned) return;
    this.hasWarned = true;
    this.context.log.warning(
      `the guest has a cursor of ${width}x${height} pixels: it keeps the image of before, as only 64x64 are shown`,
    );
  }
}
