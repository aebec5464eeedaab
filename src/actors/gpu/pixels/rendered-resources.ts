// The resources that the renderer has: made there, or moved there when a context first attaches them.

import { EIO } from "../../../ffi/libc.ts";
import { blockLayout, displayFormat } from "../../../picture/formats.ts";
import { bytesPerPixel, Format, isFormat } from "../../../transport/wire/virtio-gpu/protocol.ts";
import type { DmabufPicture } from "../renderer/dmabuf.ts";
import { Iovecs } from "../renderer/virgl/iovecs.ts";
import type { VirglRenderer } from "../renderer/virgl/virgl.ts";
import { type Resource, Target } from "../model/resources.ts";

/** VIRGL_BIND_RENDER_TARGET and VIRGL_BIND_SAMPLER_VIEW: what a context may do with a picture. */
const pictureBind = 2 | 8;

/** Where a transfer goes; the box is x, y, z, width, height, depth from word `at` of `words` on. */
export interface Transfer {
  words: ArrayLike<number>;
  at: number;
  level: number;
  stride: number;
  layerStride: number;
  offset: number;
}

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

  /** Tells the renderer of the resource's backing. Where some of that is no guest memory, the renderer gets none. */
  attachBacking(resource: Resource): void {
    if (resource.backing === null || resource.backing.length === 0) return;
    const iovecs = Iovecs.of(resource.backing);
    if (iovecs === null) return;
    if (this.renderer.attachBacking(resource.id, iovecs.address, iovecs.count) === 0)
      resource.iovecs = iovecs;
    else iovecs.free();
  }

  detachBacking(resource: Resource): void {
    if (resource.iovecs === null) return;
    this.renderer.detachBacking(resource.id);
    resource.iovecs.free();
    resource.iovecs = null;
  }

  /** Follows a change of the memory map: what the renderer knows of it is stale. */
  memoryChanged(resources: Iterable<Resource>): void {
    for (const resource of resources) {
      if (!resource.isRendered) continue;
      this.detachBacking(resource);
      this.attachBacking(resource);
    }
  }

  unref(resource: Resource): void {
    // The resource holds the iovecs' address until it is gone.
    this.renderer.unref(resource.id);
    resource.iovecs?.free();
    resource.iovecs = null;
    resource.isRendered = false;
  }

  /** Whether the box lies inside of the resource, and what it needs inside of the backing. */
  holds(resource: Resource, transfer: Transfer): boolean {
    const { words, at, level, stride, layerStride, offset } = transfer;
    const { shape } = resource;
    const layout = blockLayout(resource.format);
    if (layout === undefined || level > shape.lastLevel) return false;
    const levelWidth = minify(resource.width, level);
    const levelHeight = minify(resource.height, level);
    const layers = shape.target === Target.TEXTURE_3D ? minify(shape.depth, level) : shape.arraySize;
    const [x, y, z] = [words[at]!, words[at + 1]!, words[at + 2]!];
    const [width, height, depth] = [words[at + 3]!, words[at + 4]!, words[at + 5]!];
    // u32 sums are exact in a Number.
    if (x + width > levelWidth || y + height > levelHeight || z + depth > layers) return false;
    if (width === 0 || height === 0 || depth === 0) return true;
    const rowBytes = Math.ceil(width / layout.width) * layout.bytes;
    const rows = Math.ceil(height / layout.height);
    const rowStride = stride === 0 ? Math.ceil(levelWidth / layout.width) * layout.bytes : stride;
    if (rowStride < rowBytes || (layerStride !== 0 && layerStride < rows * rowStride)) return false;
    // The library rounds such strides down, or not, as the backing is scattered.
    if (rows > 1 && rowStride % layout.bytes !== 0) return false;
    const step = layerStep(resource, transfer);
    const span = (depth - 1) * step + (rows - 1) * rowStride + rowBytes;
    return offset + span <= (resource.backing?.length ?? 0);
  }

  /**
   * Copies a box that {@link holds} between the backing, which has iovecs, and the renderer. Answers an errno. Layer by
   * layer: of several the library would read back the first, and give the guest its own heap in place of the others.
   */
  transfer(direction: "to-host" | "from-host", resource: Resource, context: number, what: Transfer): number {
    const { words, at, level, stride, offset } = what;
    const z = words[at + 2]!;
    const layers = words[at + 5]!;
    const step = layers === 1 ? 0 : layerStep(resource, what);
    if (direction === "to-host") this.epoch++;
    else resource.backing!.wrote();
    let error = 0;
    for (let layer = 0; layer < layers && error === 0; layer++) {
      const from = offset + layer * step;
      error = this.renderer.transferLayer(
        direction,
        resource.id,
        context,
        words,
        at,
        z + layer,
        level,
        stride,
        from,
      );
    }
    return error;
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

/** Bytes from one layer of a transfer to the next. */
function layerStep({ format, width, height }: Resource, { level, stride, layerStride }: Transfer): number {
  if (layerStride !== 0) return layerStride;
  const layout = blockLayout(format)!;
  const rowStride = stride === 0 ? Math.ceil(minify(width, level) / layout.width) * layout.bytes : stride;
  return Math.ceil(minify(height, level) / layout.height) * rowStride;
}

const minify = (size: number, level: number): number => Math.max(1, Math.floor(size / 2 ** level));
