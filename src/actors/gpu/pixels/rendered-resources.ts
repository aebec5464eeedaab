// The resources that the renderer has: made there, or moved there when a context first attaches them.

import { EIO } from "../../../ffi/libc.ts";
import { displayFormat } from "../../../picture/formats.ts";
import { bytesPerPixel, Format, isFormat } from "../../../transport/wire/virtio-gpu/protocol.ts";
import type { DmabufPicture } from "../renderer/dmabuf.ts";
import { Target, type Transfer } from "../renderer/transfer.ts";
import type { VirglRenderer } from "../renderer/virgl/virgl.ts";
import type { Resource } from "../model/resources.ts";

/** VIRGL_BIND_RENDER_TARGET and VIRGL_BIND_SAMPLER_VIEW: what a context may do with a picture. */
const pictureBind = 2 | 8;

export class RenderedResources {
  /** Grows with everything that may change pixels in the renderer. */
  epoch = 0;

  constructor(private readonly renderer: VirglRenderer) {}

  /**
   * Moves a 2D resource with its content and backing into the renderer. Answers false, with nothing changed, when the
   * renderer does not take it.
   */
  promote(resource: Resource): boolean {
    const { id, format, width, height, storage } = resource;
    // The library lacks the one format, whose bytes are those of the other.
    const known = format === Format.X8B8G8R8 ? Format.A8B8G8R8 : format;
    const shape = [Target.TEXTURE_2D, known, pictureBind, width, height, 1, 1, 0, 0, 0];
    if (this.renderer.createResource(id, shape) !== 0) return false;
    if (storage !== null) {
      const { address, stride } = storage;
      const bytes = stride * height;
      if (this.renderer.copyRectangle("to-host", id, 0, 0, width, height, address, bytes, stride) !== 0) {
        this.renderer.unref(id);
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
    this.epoch++;
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

  /** Whether the resource has a backing, all of which is guest memory now. */
  hasBacking({ id }: Resource): boolean {
    return this.renderer.hasBacking(id);
  }

  unref(resource: Resource): void {
    this.renderer.unref(resource.id);
    resource.isRendered = false;
  }

  /** Whether the box lies inside of the resource, and what it needs inside of the backing. */
  holds({ id }: Resource, transfer: Transfer): boolean {
    return this.renderer.holds(id, transfer);
  }

  /** Copies a box that {@link holds} between the backing and the renderer. Returns an errno. */
  transfer(direction: "to-host" | "from-host", resource: Resource, context: number, what: Transfer): number {
    if (direction === "to-host") this.epoch++;
    return this.renderer.transfer(direction, resource.id, context, what);
  }

  /** The picture's dma-buf, or null where the host's driver exports none. */
  exportDmabuf(resource: Resource): DmabufPicture | null {
    return this.renderer.exportDmabuf(resource.id);
  }

  /** What was drawn is there for whoever has a picture's dma-buf. */
  flush(): void {
    this.renderer.flush();
  }

  /** Copies a rectangle of a picture into the same place of its storage, which exists. Answers an errno. */
  readBack(resource: Resource, x: number, y: number, width: number, height: number): number {
    const { id } = resource;
    const storage = resource.storage!;
    const address = storage.beginWrite(x, y, width, height);
    if (address === 0) return EIO;
    const { writeStride: stride } = storage;
    const bytes = stride * (height - 1) + width * bytesPerPixel;
    const error = this.renderer.copyRectangle("from-host", id, x, y, width, height, address, bytes, stride);
    storage.endWrite();
    return error;
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
