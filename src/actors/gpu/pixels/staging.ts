// A stop on the way from the renderer to storage that only its driver's own mapping may write.

import { asPointer, EIO, ENOMEM, libc } from "../../../ffi/libc.ts";
import { asRefusal } from "../../../transport/os/errors.ts";
import { closeFd, createMemfd } from "../../../transport/os/fds.ts";
import { NativeMemory } from "../../../transport/os/native-memory.ts";
import { bytesPerPixel } from "../../../transport/wire/virtio-gpu/protocol.ts";
import type { Renderer } from "../renderer/renderer.ts";
import type { SharedPixels } from "../renderer/shared-pixels.ts";
import type { Storage } from "./storage/storage.ts";

export class Staging {
  private area: StagingArea | null = null;

  /** Copies a rectangle of a picture into the same place of `storage`. Returns an errno. */
  readBack(
    renderer: Renderer,
    id: number,
    storage: Storage,
    x: number,
    y: number,
    width: number,
    height: number,
  ): number {
    const area = this.areaFor(storage);
    if (area === null) return ENOMEM;
    const error = renderer.copyPixels("from-host", id, x, y, width, height, area);
    if (error !== 0) return error;
    const address = storage.beginWrite(x, y, width, height);
    if (address === 0) return EIO;
    const { writeStride } = storage;
    const from = area.address + y * area.stride + x * bytesPerPixel;
    for (let row = 0; row < height; row++) {
      const target = asPointer(address + row * writeStride);
      libc.memcpy(target, asPointer(from + row * area.stride), width * bytesPerPixel);
    }
    storage.endWrite();
    return 0;
  }

  close(): void {
    this.area?.close();
    this.area = null;
  }

  /** Room for all of `storage`, in rows as long as its are; null where the host has none. */
  private areaFor({ size, stride }: Storage): StagingArea | null {
    if (this.area === null || this.area.size < size) {
      this.close();
      try {
        this.area = new StagingArea(size);
      } catch (error) {
        asRefusal(error);
        return null;
      }
    }
    this.area.stride = stride;
    return this.area;
  }
}

class StagingArea implements SharedPixels {
  readonly fd: number;
  stride = 0;
  onGone: (() => void) | null = null;
  private readonly memory: NativeMemory;

  constructor(readonly size: number) {
    this.fd = createMemfd("fencepost-staging", size);
    try {
      this.memory = NativeMemory.mapShared(this.fd, 0, size, "read");
    } catch (error) {
      closeFd(this.fd);
      throw error;
    }
  }

  get address(): number {
    return this.memory.address;
  }

  close(): void {
    this.onGone?.();
    this.memory.unmap();
    closeFd(this.fd);
  }
}
