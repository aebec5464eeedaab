// Where pixels come from: memory of ours for 2D resources, the renderer for those made there or moved there.

import { ENOMEM } from "../../../ffi/libc.ts";
import { Format } from "../../../transport/wire/virtio-gpu/protocol.ts";
import type { Backing } from "../renderer/backing.ts";
import type { BlobShape } from "../renderer/blob.ts";
import type { Renderer } from "../renderer/renderer.ts";
import { Target } from "../renderer/transfer.ts";
import { BlobPixels } from "./blobs/blob-pixels.ts";
import { type CopyMeter, CpuPixels } from "./cpu-pixels.ts";
import type { CursorShelf } from "./cursor-shelf.ts";
import { flat, type Form } from "./form.ts";
import { GpuPixels } from "./gpu-pixels.ts";
import { Staging } from "./staging.ts";
import { memfdBytes } from "./storage/memfd-storage.ts";
import { textureBytes } from "./texture-bytes.ts";
import type { Storages } from "./storage/storages.ts";

/** VIRGL_BIND_RENDER_TARGET and VIRGL_BIND_SAMPLER_VIEW: what a context may do with a picture. */
const pictureBind = 2 | 8;

export class PixelSource {
  private readonly staging = new Staging();

  constructor(
    readonly storages: Storages,
    private readonly renderer: Renderer,
    private readonly meter: CopyMeter,
    private readonly shelf: CursorShelf,
  ) {}

  /** For a 2D resource; used again for each life of its object. */
  cpu(form: Form): CpuPixels {
    return new CpuPixels(form, this.storages, this.meter, this.shelf);
  }

  /** Of a resource that the renderer has made, which takes `bytes`. */
  rendered(form: Form, bytes: number): GpuPixels {
    return new GpuPixels(form, this.renderer, this.storages, this.staging, bytes);
  }

  /** Of a blob, which a renderer has made where it is the host's; without one it would be refused. */
  blob(form: Form, shape: BlobShape, backing: Backing | null): BlobPixels {
    return new BlobPixels(form, shape, this.renderer, this.storages, backing);
  }

  /**
   * Moves the pixels of a 2D resource with their backing into the renderer; `isShown`: on some scanout, be it that the
   * display was not told yet. Returns null, with nothing changed, when there is no room or the renderer does not take them.
   */
  promote(form: Form, before: CpuPixels, backing: Backing | null, isShown: boolean): GpuPixels | null {
    const { renderer, storages, staging } = this;
    const { id, width, height } = form;
    const bytes = textureBytes(form.format, width, height, flat);
    // Memory that the display shows stays beside what the renderer makes; other memory makes room for it.
    const stays = isShown || before.surface !== 0;
    const freed = stays ? 0 : memfdBytes(width, height);
    if (!storages.budget.hasRoom(bytes - freed)) {
      storages.tellFull(bytes);
      return null;
    }
    if (renderer.createResource(id, shapeOf(form)) !== 0) return null;
    if (!this.fill(id, before, width, height) || !this.back(id, backing)) {
      renderer.unrefResource(id);
      return null;
    }
    const storage = before.handOver();
    if (!stays) storage?.free();
    const pixels = new GpuPixels(form, renderer, storages, staging, bytes, stays ? storage : null);
    pixels.follow(before);
    before.withdraw();
    return pixels;
  }

  /** Nobody uses any of it any more. */
  close(): void {
    this.staging.close();
    this.storages.close();
  }

  private fill(id: number, { held }: CpuPixels, width: number, height: number): boolean {
    return held === null || this.renderer.copyPixels("to-host", id, 0, 0, width, height, held) === 0;
  }

  private back(id: number, backing: Backing | null): boolean {
    return backing === null || this.renderer.attachBacking(id, backing) !== ENOMEM;
  }
}

function shapeOf({ format, width, height }: Form): number[] {
  // The library lacks the one format, whose bytes are those of the other.
  const known = format === Format.X8B8G8R8 ? Format.A8B8G8R8 : format;
  return [Target.TEXTURE_2D, known, pictureBind, width, height, 1, 1, 0, 0, 0];
}
