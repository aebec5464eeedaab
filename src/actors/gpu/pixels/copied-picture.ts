// A picture in memory that is made for one look at it: nothing of it stays, and no guest pays for it.

import { closeFd, createMemfd } from "../../../transport/os/fds.ts";
import { NativeMemory } from "../../../transport/os/native-memory.ts";
import { bytesPerPixel } from "../../../transport/wire/virtio-gpu/protocol.ts";
import type { SharedPixels } from "../renderer/shared-pixels.ts";

export class CopiedPicture implements SharedPixels {
  readonly fd: number;
  readonly size: number;
  readonly stride: number;
  onGone: (() => void) | null = null;
  readonly words: Uint32Array;
  private readonly memory: NativeMemory;

  /** All zero. Throws a SystemError where the host has no room. */
  constructor(width: number, height: number) {
    this.stride = width * bytesPerPixel;
    this.size = this.stride * height;
    this.fd = createMemfd("fencepost-look", this.size);
    try {
      this.memory = NativeMemory.mapShared(this.fd, 0, this.size, "write");
    } catch (error) {
      closeFd(this.fd);
      throw error;
    }
    this.words = new Uint32Array(this.memory.view());
  }

  /** Lets go of all but the descriptor, which is the caller's from now on. */
  detach(): number {
    this.onGone?.();
    this.memory.unmap();
    return this.fd;
  }
}
