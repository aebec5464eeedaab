// Buffers of our own for what a compositor does not take as it lies: each holds a copy of one scanout's picture, and is
// brought up to date before it is shown again.

import { NativeMemory } from "../../../transport/os/native-memory.ts";
import { closeFd, createMemfd } from "../../../transport/os/fds.ts";
import { bytesPerPixel } from "../../../transport/virtio-gpu/protocol.ts";
import type { WlBuffer } from "../../../transport/wayland/protocol.ts";
import { Damage, type Rect } from "../../damage.ts";
import type { View } from "../scanout.ts";
import { UnreadableSurface } from "../surface.ts";
import type { Compositor } from "./compositor.ts";
import { shmXrgb8888 } from "./shm-formats.ts";

/** One is shown, one is about to be, and the compositor may be late in giving one back. */
const countMax = 3;
/** What the copies of one window may take of the host: the guest does not pay for them. A frame of 4K takes 32 MiB. */
const bytesMax = 256 * 1024 * 1024;

interface Copy {
  buffer: WlBuffer;
  pixels: Uint32Array;
  isBusy: boolean;
  /** What has changed since it was made. */
  readonly missing: Damage;
}

export class CopiedBuffers {
  private readonly memory: NativeMemory;
  private readonly copies: Copy[];

  /** Copies of a picture of this size. Throws SystemError, and UnreadableSurface for one that is too large. */
  constructor(
    compositor: Compositor,
    private readonly width: number,
    private readonly height: number,
  ) {
    const bytes = width * height * bytesPerPixel;
    const count = Math.min(countMax, Math.floor(bytesMax / bytes));
    if (count === 0) throw new UnreadableSurface(`${bytes} bytes are too many to be copied for every frame`);
    const fd = createMemfd("fencepost-window", bytes * count);
    try {
      this.memory = NativeMemory.mapShared(fd, 0, bytes * count, "write");
      const pool = compositor.shm!.createPool(fd, bytes * count);
      this.copies = Array.from({ length: count }, (_, at) => {
        const stride = width * bytesPerPixel;
        const buffer = pool.createBuffer(at * bytes, width, height, stride, shmXrgb8888);
        const pixels = new Uint32Array(this.memory.view(at * bytes, bytes));
        const copy = { buffer, pixels, isBusy: false, missing: new Damage() };
        copy.missing.add(0, 0, width, height);
        buffer.listener = { release: () => (copy.isBusy = false) };
        return copy;
      });
      pool.destroy();
    } finally {
      closeFd(fd);
    }
  }

  fits({ width, height }: Rect): boolean {
    return this.width === width && this.height === height;
  }

  /** Some of the picture has changed. */
  damaged(damage: Damage): void {
    const { left, top, right, bottom } = damage;
    for (const { missing } of this.copies) missing.add(left, top, right - left, bottom - top);
  }

  /** A buffer with the whole picture, which is attached next; null while the compositor has all of them. */
  take(view: View): WlBuffer | null {
    const copy = this.copies.find(({ isBusy }) => !isBusy);
    if (copy === undefined) return null;
    const { missing, pixels } = copy;
    if (!missing.isEmpty) {
      const { top, bottom } = missing;
      // Whole rows lie as tightly in the copy as they are written.
      const rows = { x: view.x, y: view.y + top, width: this.width, height: bottom - top };
      view.surface.copy(rows, pixels.subarray(top * this.width, bottom * this.width));
      missing.clear();
    }
    copy.isBusy = true;
    return copy.buffer;
  }

  /** They are attached nowhere any more. */
  destroy(): void {
    for (const { buffer } of this.copies) buffer.destroy();
    this.memory.unmap();
  }
}
