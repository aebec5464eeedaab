// Where the pixels of a 2D resource lie on the host: memory that is mapped here and shared by a descriptor.

import { beginWriting, endWriting } from "../../../../picture/dmabuf.ts";
import type { Modifier } from "../../../../picture/drm-formats.ts";
import { duplicateFdIfRoom } from "../../../../transport/os/fds.ts";
import type { NativeMemory } from "../../../../transport/os/native-memory.ts";
import { bytesPerPixel } from "../../../../transport/wire/virtio-gpu/protocol.ts";
import type { SharedPixels } from "../../renderer/shared-pixels.ts";
import type { Budget } from "./budget.ts";

/** What a borrower needs to find the pixels; the descriptor is its own. */
export interface LentPixels extends Modifier {
  fd: number;
  /** Bytes from one row to the next, and before the first. */
  stride: number;
  offset: number;
}

export abstract class Storage implements SharedPixels {
  /** Bytes from one row to the next, at least the pixels of one. */
  abstract readonly stride: number;
  /** Whether a GPU takes rows that lie as these do. */
  abstract readonly fitsGpu: boolean;
  /** Whether what is written to its memory, and not through {@link beginWrite}, may stay unseen. */
  readonly needsDriver: boolean = false;
  /** Whether somebody else may see its pages when a resource has it no more, so it cannot become another one's. */
  isExported = false;
  onGone: (() => void) | null = null;
  /** What it is paid from while a resource has it. */
  budget: Budget | null = null;
  /** The dma-buf that must know when this CPU writes; -1 while nobody has one. */
  protected syncFd = -1;

  /** The native address of the first pixel, to read; who writes asks {@link beginWrite}. */
  readonly address: number;
  /** Bytes that it takes of the host. */
  readonly size: number;

  protected constructor(
    /** Maps its pixels. */
    readonly fd: number,
    protected readonly memory: NativeMemory,
  ) {
    this.address = memory.address;
    this.size = memory.length;
  }

  /** Its dma-buf, which stays its own; -1 where the host makes none of it. */
  abstract dmabuf(): number;

  /** A view of all bytes, for rare reads by this thread; dead after {@link free}. */
  view(): ArrayBuffer {
    return this.memory.view();
  }

  /**
   * This CPU is about to write a rectangle, which a GPU may be reading: answers the address of its first pixel, or 0 where
   * it cannot be written. Rows are {@link writeStride} apart, until {@link endWrite}.
   */
  beginWrite(x: number, y: number, _width: number, _height: number): number {
    if (this.syncFd >= 0) beginWriting(this.syncFd);
    return this.address + y * this.stride + x * bytesPerPixel;
  }

  get writeStride(): number {
    return this.stride;
  }

  endWrite(): void {
    if (this.syncFd >= 0) endWriting(this.syncFd);
  }

  /**
   * Shares it with somebody who may keep it for as long as they like: a dma-buf where there is one. Returns null when
   * this process may have no more descriptors.
   */
  lend(): LentPixels | null {
    const dmabuf = this.dmabuf();
    const fd = duplicateFdIfRoom(dmabuf >= 0 ? dmabuf : this.fd);
    if (fd < 0) return null;
    this.isExported = true;
    return { fd, stride: this.stride, offset: 0, modifierHigh: 0, modifierLow: 0 };
  }

  /** Nobody uses it any more. It may be used again for a resource to come. */
  free(): void {
    this.budget?.give(this.size);
    this.budget = null;
    this.recycle();
  }

  protected abstract recycle(): void;
}
