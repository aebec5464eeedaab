// Cursor images for the cursor queue: a resource's pixels copied into shared memory that the display reads.

import type { NativeMemory } from "../../../transport/os/native-memory.ts";
import { bytesPerPixel, cursorSize, Response } from "../../../transport/wire/virtio-gpu/protocol.ts";
import type { ActorContext } from "../../runtime/actor.ts";
import type { Model } from "../model/model.ts";
import type { AfterCommands } from "./after-commands.ts";
import type { CursorShelf } from "../pixels/cursor-shelf.ts";
import { isPicture } from "../pixels/form.ts";

const imageWords = cursorSize * cursorSize;

/** What {@link CursorImages.copy} returns of an image that is not {@link cursorSize} wide and high; no virtio code. */
const otherSize = -1;

export class CursorImages {
  private readonly pool: NativeMemory;
  private readonly words: Uint32Array;
  private readonly event: number;
  private hasWarned = false;

  constructor(
    private readonly context: ActorContext,
    private readonly model: Model,
    private readonly afterCommands: AfterCommands,
    private readonly shelf: CursorShelf,
  ) {
    this.event = model.lifecycles.resource.event("UPDATE_CURSOR");
    this.pool = context.area("cursor-images", "write");
    this.words = new Uint32Array(this.pool.view());
  }

  /** Answers once every command that already waits has been run: the image's transfer is often one of them. */
  request(token: number, resource: number, slot: number): void {
    this.shelf.expect();
    this.afterCommands.run(() => {
      const error = this.copy(resource, slot);
      const isNew = error === 0;
      const code = error === otherSize ? 0 : error;
      this.context.send("cursor-queue", { type: "cursor-image", token, error: code, isNew });
    });
  }

  /** The image in a slot of the pool, to read and write. */
  imageIn(slot: number): Uint32Array {
    return this.words.subarray(slot * imageWords, (slot + 1) * imageWords);
  }

  close(): void {
    this.pool.unmap();
  }

  /** Returns 0, the virtio error that says why there is no image, or {@link otherSize}. */
  private copy(id: number, slot: number): number {
    const { resources, lifecycles } = this.model;
    const resource = resources.get(id);
    const refusal = lifecycles.resource.may(resource, this.event);
    if (refusal !== 0) return refusal;
    const { width, height, blob } = resource!;
    if (blob !== null && blob.size < imageWords * bytesPerPixel) return Response.ERR_INVALID_PARAMETER;
    if (blob === null && (width !== cursorSize || height !== cursorSize)) {
      this.warn(width, height);
      return otherSize;
    }
    if (blob === null && !isPicture(resource!)) return Response.ERR_INVALID_PARAMETER;
    const image = this.imageIn(slot);
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
