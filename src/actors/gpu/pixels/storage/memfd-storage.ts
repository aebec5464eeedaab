// Storage in a sealed memfd, which udmabuf wraps into a dma-buf when somebody wants one.

import { asPointer, libc } from "../../../../ffi/libc.ts";
import { SystemError } from "../../../../transport/os/errors.ts";
import { closeFd, createMemfd } from "../../../../transport/os/fds.ts";
import { hugeBytes, HugePages, roundToHuge } from "../../../../transport/os/huge-pages.ts";
import { NativeMemory } from "../../../../transport/os/native-memory.ts";
import type { Udmabuf } from "../../../../transport/os/udmabuf.ts";
import { bytesPerPixel } from "../../../../transport/wire/virtio-gpu/protocol.ts";
import { giveDescriptor, hasDescriptor, takeDescriptor } from "./descriptors.ts";
import { Pool } from "./pool.ts";
import { Storage } from "./storage.ts";

const pageBytes = 4096;
/** Rows that begin elsewhere are refused by some GPUs. */
const gpuStride = 256;

/** Bytes of a memfd with `width` × `height` pixels: whole pages, huge ones where it is little short of them. */
export const memfdBytes = (width: number, height: number): number =>
  roundToHuge(Math.ceil((width * height * bytesPerPixel) / pageBytes) * pageBytes);

const pool = new Pool<MemfdStorage>();

export class MemfdStorage extends Storage {
  stride = 0;
  private udmabuf: Udmabuf | null = null;
  private readonly huge: HugePages;

  private constructor(fd: number, memory: NativeMemory) {
    super(fd, memory);
    this.huge = new HugePages(memory.address, memory.length);
    takeDescriptor();
  }

  /**
   * Zero-filled storage, of which `udmabuf` can make a dma-buf. Throws when the host has no memory or descriptors left
   * for it.
   */
  static create(width: number, height: number, udmabuf: Udmabuf | null): MemfdStorage {
    const size = memfdBytes(width, height);
    const storage = pool.take(size) ?? MemfdStorage.make(size);
    storage.stride = width * bytesPerPixel;
    storage.udmabuf = udmabuf;
    return storage;
  }

  /** Gives the host everything back that was kept for resources to come. */
  static forget(): void {
    pool.empty();
  }

  private static make(size: number): MemfdStorage {
    if (!hasDescriptor()) pool.empty();
    const fd = createMemfd("fencepost-resource", size);
    let memory: NativeMemory | null = null;
    try {
      memory = NativeMemory.mapAligned(fd, size, "write", hugeBytes);
      return new MemfdStorage(fd, memory);
    } catch (error) {
      memory?.unmap();
      closeFd(fd);
      throw error;
    }
  }

  get fitsGpu(): boolean {
    return this.udmabuf !== null && this.stride % gpuStride === 0;
  }

  override beginWrite(x: number, y: number, width: number, height: number): number {
    const { stride } = this;
    const from = y * stride + x * bytesPerPixel;
    const rowBytes = width * bytesPerPixel;
    this.huge.touch(from, from + (height - 1) * stride + rowBytes, rowBytes * 2 >= stride);
    return super.beginWrite(x, y, width, height);
  }

  dmabuf(): number {
    if (this.syncFd >= 0 || this.udmabuf === null || !hasDescriptor()) return this.syncFd;
    try {
      // It pins the pages, so it is not made before it is wanted.
      this.syncFd = this.udmabuf.wrap(this.fd, this.size);
      takeDescriptor();
    } catch (error) {
      // The kernel limits the size of one, and mapped memory does instead.
      if (!(error instanceof SystemError)) throw error;
    }
    return this.syncFd;
  }

  /** For the pool alone. */
  reuse(): void {
    libc.memset(asPointer(this.address), 0, this.size);
  }

  destroy(): void {
    this.onGone?.();
    this.memory.unmap();
    libc.close(this.fd);
    giveDescriptor();
    if (this.syncFd < 0) return;
    closeFd(this.syncFd);
    giveDescriptor();
  }

  protected recycle(): void {
    // A dma-buf pins its pages.
    if (this.isExported || this.syncFd >= 0 || !pool.give(this)) this.destroy();
  }
}
