// Equal buffers in shared memory of our own, which the compositor holds one by one and gives back.

import { closeFd, createMemfd } from "../../../../transport/os/fds.ts";
import { NativeMemory } from "../../../../transport/os/native-memory.ts";
import { bytesPerPixel } from "../../../../transport/wire/virtio-gpu/protocol.ts";
import type { WlBuffer } from "../../../../transport/wire/wayland/protocol.ts";
import type { Compositor } from "./compositor.ts";

/** One is shown, one is about to be, and the compositor may be late in giving one back. */
export const usualCount = 3;

interface Held {
  buffer: WlBuffer;
  isBusy: boolean;
}

export class ShmBuffers {
  /** The pixels of each, row after row. */
  readonly pixels: readonly Uint32Array[];
  private readonly memory: NativeMemory;
  private readonly all: readonly Held[];

  /** `count` buffers of this size in a format of wl_shm with four bytes a pixel. Throws SystemError. */
  constructor(
    compositor: Compositor,
    name: string,
    count: number,
    width: number,
    height: number,
    format: number,
  ) {
    const stride = width * bytesPerPixel;
    const bytes = stride * height;
    const fd = createMemfd(name, bytes * count);
    try {
      const memory = NativeMemory.mapShared(fd, 0, bytes * count, "write");
      const pool = compositor.shm!.createPool(fd, bytes * count);
      this.memory = memory;
      this.pixels = Array.from({ length: count }, (_, at) => new Uint32Array(memory.view(at * bytes, bytes)));
      this.all = this.pixels.map((_, at) => {
        const held = { buffer: pool.createBuffer(at * bytes, width, height, stride, format), isBusy: false };
        held.buffer.listener = { release: () => (held.isBusy = false) };
        return held;
      });
      pool.destroy();
    } finally {
      closeFd(fd);
    }
  }

  /** The number of one that the compositor does not have, or -1 while it has them all. */
  free(): number {
    return this.all.findIndex(({ isBusy }) => !isBusy);
  }

  /** The buffer of that number, which is attached next. */
  take(at: number): WlBuffer {
    const held = this.all[at]!;
    held.isBusy = true;
    return held.buffer;
  }

  /** They are attached nowhere any more. */
  destroy(): void {
    for (const { buffer } of this.all) buffer.destroy();
    this.memory.unmap();
  }
}
