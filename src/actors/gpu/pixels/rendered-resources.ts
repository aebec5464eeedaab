// The resources that the renderer has: made there, or moved there when a context first attaches them.

import { displayFormat } from "../../../picture/formats.ts";
import { Format, isFormat } from "../../../transport/wire/virtio-gpu/protocol.ts";
import type { DmabufPicture } from "../renderer/dmabuf.ts";
import type { Renderer } from "../renderer/renderer.ts";
import { type Direction, Target, type Transfer } from "../renderer/transfer.ts";
import { Staging } from "./staging.ts";
import type { Resource } from "../model/resources.ts";

/** VIRGL_BIND_RENDER_TARGET and VIRGL_BIND_SAMPLER_VIEW: what a context may do with a picture. */
const pictureBind = 2 | 8;

export class RenderedResources {
  private readonly staging = new Staging();

  constructor(private readonly renderer: Renderer) {}

  /** Grows with everything that may change pixels in the renderer. */
  get epoch(): number {
    return this.renderer.epoch;
  }

  /**
   * Moves a 2D resource with its content and backing into the renderer. Returns false, with nothing changed, when the
   * renderer does not take it.
   */
  promote(resource: Resource): boolean {
    const { id, format, width, height, storage } = resource;
    // The library lacks the one format, whose bytes are those of the other.
    const known = format === Format.X8B8G8R8 ? Format.A8B8G8R8 : format;
    const shape = [Target.TEXTURE_2D, known, pictureBind, width, height, 1, 1, 0, 0, 0];
    if (this.renderer.createResource(id, shape) !== 0) return false;
    if (storage !== null) {
      if (this.renderer.copyPixels("to-host", id, 0, 0, width, height, storage) !== 0) {
        this.renderer.unrefResource(id);
        return false;
      }
      // The display may go on reading what it knows, or is to show; nobody else needs it now.
      if (!resource.isWithDisplay) {
        storage.free();
        resource.storage = null;
      }
    }
    resource.isRendered = true;
    this.attachBacking(resource);
    return true;
  }

  /**
   * Tells the renderer of the resource's backing. Where some of that is no guest memory, the renderer gets none. Returns
   * an errno: ENOMEM where there is no room for what the renderer needs to know of it.
   */
  attachBacking({ id, backing }: Resource): number {
    return backing === null ? 0 : this.renderer.attachBacking(id, backing);
  }

  detachBacking({ id }: Resource): void {
    this.renderer.detachBacking(id);
  }

  unref(resource: Resource): void {
    this.renderer.unrefResource(resource.id);
    resource.isRendered = false;
  }

  /** Copies a box between the backing and the renderer. Returns an errno, as {@link Renderer.transfer}. */
  transfer(direction: Direction, { id }: Resource, context: number, what: Transfer): number {
    return this.renderer.transfer(direction, id, context, what);
  }

  /** The picture's dma-buf, or null where the host's driver exports none. */
  exportDmabuf({ id }: Resource): DmabufPicture | null {
    return this.renderer.exportDmabuf(id);
  }

  /** What was drawn is there for whoever has a picture's dma-buf. */
  flush(): void {
    this.renderer.flush();
  }

  /** Copies a rectangle of a picture into the same place of its storage, which exists. Returns an errno. */
  readBack({ id, storage }: Resource, x: number, y: number, width: number, height: number): number {
    const pixels = storage!;
    if (pixels.needsDriver) return this.staging.readBack(this.renderer, id, pixels, x, y, width, height);
    pixels.beginWrite(x, y, width, height);
    const error = this.renderer.copyPixels("from-host", id, x, y, width, height, pixels);
    pixels.endWrite();
    return error;
  }

  close(): void {
    this.staging.close();
  }
}

/** Whether a display can show it: one layer of a 2D texture, in a format with a virtio name. */
export function isPicture({ format, shape }: Resource): boolean {
  const { target, samples } = shape;
  return (
    (target === Target.TEXTURE_2D || target === Target.TEXTURE_RECT) &&
    samples <= 1 &&
    isFormat(displayFormat(format))
  );
}
