// What the display still has to be told of each scanout's cursor. Moves that it has not taken yet are merged.

import { scanoutsMax } from "../../transport/wire/virtio-gpu/protocol.ts";
import { DisplayPacing } from "../queue/display-pacing.ts";
import type { ActorContext } from "../runtime/actor.ts";

class CursorState {
  x = 0;
  y = 0;
  hotX = 0;
  hotY = 0;
  /** The slot of the image, or -1 while hidden. */
  slot = -1;
  /** What the display does not know yet. */
  moved = false;
  changed = false;
}

export class CursorOutbox {
  private readonly cursors = Array.from({ length: scanoutsMax }, () => new CursorState());
  private dirty = 0;
  private readonly pacing: DisplayPacing;

  constructor(private readonly context: ActorContext) {
    this.pacing = new DisplayPacing(context, () => this.send());
  }

  move(scanout: number, x: number, y: number): void {
    this.place(scanout, x, y);
    this.cursors[scanout]!.moved = true;
    this.mark(scanout);
  }

  /** Takes the position along without a message; the image that follows brings it. */
  place(scanout: number, x: number, y: number): void {
    const cursor = this.cursors[scanout]!;
    cursor.x = x;
    cursor.y = y;
  }

  show(scanout: number, slot: number, hotX: number, hotY: number): void {
    const cursor = this.cursors[scanout]!;
    cursor.slot = slot;
    cursor.hotX = hotX;
    cursor.hotY = hotY;
    cursor.changed = true;
    this.mark(scanout);
  }

  hide(scanout: number, x: number, y: number): void {
    this.place(scanout, x, y);
    this.cursors[scanout]!.slot = -1;
    this.cursors[scanout]!.changed = true;
    this.mark(scanout);
  }

  /**
   * Hides every cursor. Each sender takes back what it has sent itself: a reset by another could overtake, or be
   * overtaken by, what the next driver shows.
   */
  clear(): void {
    this.cursors.forEach((cursor, scanout) => {
      if (cursor.slot >= 0) this.hide(scanout, cursor.x, cursor.y);
    });
  }

  /** Tells a display that knows nothing every cursor. */
  restore(): void {
    this.cursors.forEach((cursor, scanout) => {
      if (cursor.slot < 0) return;
      cursor.changed = true;
      this.dirty |= 1 << scanout;
    });
    this.send();
  }

  send(): void {
    if (this.dirty === 0) return;
    if (!this.pacing.maySend()) return;
    for (let bits = this.dirty; bits !== 0; bits &= bits - 1) this.sendOne(31 - Math.clz32(bits & -bits));
    this.dirty = 0;
  }

  private sendOne(scanout: number): void {
    const { x, y, slot, hotX, hotY, changed, moved } = this.cursors[scanout]!;
    if (changed && slot < 0) this.context.send("display", { type: "cursor-hide", scanout, x, y });
    else if (changed) this.context.send("display", { type: "cursor", scanout, slot, x, y, hotX, hotY });
    else if (moved) this.context.send("display", { type: "cursor-move", scanout, x, y });
    this.cursors[scanout]!.changed = false;
    this.cursors[scanout]!.moved = false;
  }

  private mark(scanout: number): void {
    this.dirty |= 1 << scanout;
    this.send();
  }
}
