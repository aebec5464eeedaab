// What every sink is: something that shows scanouts at its own pace.
//
// A sink is told of changes, keeps its own account of what it has yet to show, and reads the newest state from the
// scanout when it can send. So a slow sink merges damage and skips frames, and slows nobody else.

import type { Rect } from "../../../picture/damage.ts";
import type { AnySurface, Scanout } from "../scanout.ts";

export interface Sink {
  readonly name: string;
  /** `scanout` shows another view, or nothing. All of it is damaged. */
  scanout(scanout: Scanout): void;
  /** `damage` is in the scanout's coordinates and inside of its view. */
  update(scanout: Scanout, damage: Rect): void;
  /** The cursor has a new image, and is visible. */
  cursor(scanout: Scanout): void;
  /** The cursor moved, or was hidden. */
  cursorMove(scanout: Scanout): void;
  /** The ctrl queue wants `surface` back, which no scanout shows any more. */
  dropped?(surface: AnySurface): void;
  /** Sends what the other side takes without waiting. Answers true when it could go on at once. */
  pump(): boolean;
  /** Whether it has yet to show some of `scanout`'s damage. */
  isBehind(scanout: Scanout): boolean;
  /** Its state and counters, for people. */
  describe(): Record<string, unknown>;
  close(): void;
}

/** Tells a new sink what is shown already. */
export function attach(sink: Sink, scanouts: readonly Scanout[]): void {
  for (const scanout of scanouts) {
    if (scanout.isKnown) sink.scanout(scanout);
    if (scanout.cursor.isVisible) sink.cursor(scanout);
  }
}
