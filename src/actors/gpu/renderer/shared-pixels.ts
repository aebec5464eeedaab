// Pixels in memory that several processes map, and a mapping of them for each place that wants one.

import { asRefusal } from "../../../transport/os/errors.ts";
import { NativeMemory } from "../../../transport/os/native-memory.ts";

/** Pixels behind a descriptor, in rows. */
export interface SharedPixels {
  /** Maps them, from their first byte on; it stays the owner's. */
  readonly fd: number;
  readonly size: number;
  /** Bytes from one row to the next. */
  readonly stride: number;
  /** Called when the descriptor is closed, by the one who mapped it. */
  onGone: (() => void) | null;
}

/** Mappings of shared pixels, one each, for as long as those are there. */
export class PixelMappings {
  private readonly byPixels = new Map<SharedPixels, NativeMemory>();

  /** The native address of the first byte; 0 where the host has no room for the mapping. */
  addressOf(pixels: SharedPixels): number {
    return (this.byPixels.get(pixels) ?? this.map(pixels))?.address ?? 0;
  }

  close(): void {
    for (const pixels of [...this.byPixels.keys()]) this.forget(pixels);
  }

  private map(pixels: SharedPixels): NativeMemory | null {
    let memory: NativeMemory;
    try {
      memory = NativeMemory.mapShared(pixels.fd, 0, pixels.size, "write");
    } catch (error) {
      asRefusal(error);
      return null;
    }
    this.byPixels.set(pixels, memory);
    pixels.onGone = () => this.forget(pixels);
    return memory;
  }

  private forget(pixels: SharedPixels): void {
    this.byPixels.get(pixels)?.unmap();
    this.byPixels.delete(pixels);
    pixels.onGone = null;
  }
}
