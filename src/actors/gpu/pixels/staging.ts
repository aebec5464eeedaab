// A stop between the renderer and memory: storage that only its driver's own mapping may write, or a backing whose bytes a
// recording must have exactly as they were read.

import { asPointer, EFAULT, EIO, ENOMEM, libc } from "../../../ffi/libc.ts";
import { asRefusal } from "../../../transport/os/errors.ts";
import { closeFd, createMemfd } from "../../../transport/os/fds.ts";
import { NativeMemory } from "../../../transport/os/native-memory.ts";
import { bytesPerPixel } from "../../../transport/wire/virtio-gpu/protocol.ts";
import type { QueueRecording } from "../../queue/recording.ts";
import type { GuestBytes } from "../../queue/record-ring.ts";
import type { Renderer } from "../renderer/renderer.ts";
import type { SharedPixels } from "../renderer/shared-pixels.ts";
import { type Form, strideOf } from "./form.ts";
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

  /**
   * Copies a rectangle of a picture from byte `offset` of its backing into the renderer, reading each byte once: what
   * `recording` is told is what the renderer gets, whatever the guest writes meanwhile. Returns an errno.
   */
  send(
    renderer: Renderer,
    form: Form,
    backing: GuestBytes,
    x: number,
    y: number,
    width: number,
    height: number,
    offset: number,
    recording: Pick<QueueRecording, "rowsAt">,
  ): number {
    const stride = strideOf(form);
    const area = this.areaFor({ size: stride * form.height, stride });
    if (area === null) return ENOMEM;
    const address = area.address + y * stride + x * bytesPerPixel;
    const rowBytes = width * bytesPerPixel;
    for (let row = 0; row < height; row++) {
      if (!backing.copyTo(offset + row * stride, address + row * stride, rowBytes)) return EFAULT;
    }
    recording.rowsAt(address, stride, form.id, offset, rowBytes, height, stride);
    return renderer.copyPixels("to-host", form.id, x, y, width, height, area);
  }

  close(): void {
    this.area?.close();
    this.area = null;
  }

  /** Room for `size` bytes, in rows of `stride`; null where the host has none. */
  private areaFor({ size, stride }: { size: number; stride: number }): StagingArea | null {
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
      this.memory = NativeMemory.mapShared(this.fd, 0, size, "write");
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
