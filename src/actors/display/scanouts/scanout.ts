// What one scanout shows now: a rectangle of a surface, and a cursor. Sinks read it when they send, so that they
// always send the newest.

import { asPointer, libc } from "../../../ffi/libc.ts";
import { NativeMemory } from "../../../transport/os/native-memory.ts";
import type { Rect } from "../../../picture/damage.ts";
import { cursorImageBytes } from "../../gpu/manifest.ts";
import type { AnySurface } from "../surfaces/surfaces.ts";

/** A rectangle of a surface that a scanout shows; a new one is another object. */
export interface View extends Rect {
  readonly surface: AnySurface;
}

/** Bytes of a cursor image: 64 × 64 pixels of B, G, R, A. */

export class Scanout {
  /** null while the scanout is off. */
  view: View | null = null;
  /** Whether anyone has said what it shows, which a display that was restarted does not know at first. */
  isKnown = false;
  readonly cursor = new Cursor();

  constructor(readonly id: number) {}
}

/** The pointer of one scanout; its position and hot spot are in pixels. */
class Cursor {
  isVisible = false;
  /** Whether it was hidden after a display that crashed may have shown it. */
  isTakenBack = false;
  x = 0;
  y = 0;
  hotX = 0;
  hotY = 0;
  /** {@link cursorImageBytes} of image, or null before the first one. */
  image: NativeMemory | null = null;

  /** Copies an image from a native address. */
  load(address: number): void {
    this.image ??= NativeMemory.allocate(cursorImageBytes);
    libc.memcpy(asPointer(this.image.address), asPointer(address), cursorImageBytes);
  }

  free(): void {
    this.image?.unmap();
    this.image = null;
  }
}
