// Blobs beside the library's own resources: a guest's pages, of which it need not know, and memory of venus contexts.

import { EINVAL } from "../../../../ffi/libc.ts";
import { BlobMem } from "../../../../transport/wire/virtio-gpu/protocol.ts";
import type { BlobShape, ExportedBlob } from "../blob.ts";
import type { Venus } from "./venus/venus.ts";

export class Blobs {
  private readonly ofGuest = new Set<number>();

  constructor(private readonly venus: Venus | null) {}

  /** Whether it is a guest's pages. */
  isOfGuest(id: number): boolean {
    return this.ofGuest.has(id);
  }

  /** Returns an errno. GL's contexts have no blobs of the host: the commands that would make them are not let through. */
  create(id: number, context: number, shape: BlobShape): number {
    const { venus } = this;
    if (this.ofGuest.has(id) || venus?.blobs.has(id) === true) return EINVAL;
    if (shape.mem !== BlobMem.GUEST) return venus?.blobs.create(id, context, shape) ?? EINVAL;
    this.ofGuest.add(id);
    return 0;
  }

  exported(id: number): ExportedBlob | null {
    return this.venus?.blobs.exported(id) ?? null;
  }

  unref(id: number): void {
    this.ofGuest.delete(id);
    this.venus?.blobs.unref(id);
  }

  /**
   * Whether the library may hear that a venus context has a resource. One of its own it has already; and over most others
   * the library ends this process.
   */
  mayEnter(context: number, id: number): boolean {
    return this.venus?.blobs.isShareable(id, context) === true;
  }
}
