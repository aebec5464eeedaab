// Buffers of our own for what a compositor does not take as it lies: each holds a copy of one scanout's picture, and is
// brought up to date before it is shown again.

import { bytesPerPixel } from "../../../../transport/wire/virtio-gpu/protocol.ts";
import type { WlBuffer } from "../../../../transport/wire/wayland/protocol.ts";
import { Damage, type Rect } from "../../../../picture/damage.ts";
import type { View } from "../../scanouts/scanout.ts";
import { UnreadableSurface } from "../../surfaces/surface.ts";
import type { Compositor } from "./compositor.ts";
import { ShmBuffers, usualCount } from "./shm-buffers.ts";
import { shmXrgb8888 } from "./shm-formats.ts";

/** What the copies of one window may take of the host: the guest does not pay for them. A frame of 4K takes 32 MiB. */
const bytesMax = 256 * 1024 * 1024;

export class CopiedBuffers {
  private readonly buffers: ShmBuffers;
  /** What has changed since each was brought up to date. */
  private readonly missing: readonly Damage[];

  /** Copies of a picture of this size. Throws SystemError, and UnreadableSurface for one that is too large. */
  constructor(
    compositor: Compositor,
    private readonly width: number,
    private readonly height: number,
  ) {
    const bytes = width * height * bytesPerPixel;
    const count = Math.min(usualCount, Math.floor(bytesMax / bytes));
    if (count === 0) throw new UnreadableSurface(`${bytes} bytes are too many to be copied for every frame`);
    this.buffers = new ShmBuffers(compositor, "fencepost-window", count, width, height, shmXrgb8888);
    this.missing = this.buffers.pixels.map(() => new Damage());
    for (const missing of this.missing) missing.add(0, 0, width, height);
  }

  fits({ width, height }: Rect): boolean {
    return this.width === width && this.height === height;
  }

  /** Some of the picture has changed. */
  damaged(damage: Damage): void {
    const { left, top, right, bottom } = damage;
    for (const missing of this.missing) missing.add(left, top, right - left, bottom - top);
  }

  /** A buffer with the whole picture, which is attached next; null while the compositor has all of them. */
  take(view: View): WlBuffer | null {
    const at = this.buffers.free();
    if (at < 0) return null;
    const missing = this.missing[at]!;
    if (!missing.isEmpty) {
      const { top, bottom } = missing;
      // Whole rows lie as tightly in the copy as they are written.
      const rows = { x: view.x, y: view.y + top, width: this.width, height: bottom - top };
      view.surface.copy(rows, this.buffers.pixels[at]!.subarray(top * this.width, bottom * this.width));
      missing.clear();
    }
    return this.buffers.take(at);
  }

  /** They are attached nowhere any more. */
  destroy(): void {
    this.buffers.destroy();
  }
}
