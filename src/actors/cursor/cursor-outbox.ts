// What the display still has to be told of each scanout's cursor, once the guest has its answers. Moves that nobody would
// see yet are merged.

import { scanoutsMax } from "../../transport/wire/virtio-gpu/protocol.ts";
import { EntryKind } from "../../transport/wire/record/entries.ts";
import { cursorImageBytes } from "../gpu/manifest.ts";
import { DisplayPacing } from "../queue/display-pacing.ts";
import type { RecordRing } from "../queue/record-ring.ts";
import type { ActorContext } from "../runtime/actor.ts";
import type { CursorState } from "./messages.ts";

class Cursor {
  x = 0;
  y = 0;
  hotX = 0;
  hotY = 0;
  /** The slot of the last image, or -1 before the first one. */
  slot = -1;
  visible = false;
  /** Whether somebody may have seen it, be it of a cursor queue that crashed. */
  wasShown = false;
  /** What the display does not know yet. */
  moved = false;
  changed = false;
}

/** Words of a cursor among those that outlive a crash: position, hot spot, and where the image is and whether it is seen. */
const Kept = { x: 0, y: 1, hotX: 2, hotY: 3, state: 4, count: 5 } as const;
const keptVisible = 1 << 16;
const keptShown = 1 << 17;
const keptSlot = 0xffff;

export class CursorOutbox {
  private readonly cursors = Array.from({ length: scanoutsMax }, () => new Cursor());
  private dirty = 0;
  private readonly pacing: DisplayPacing;

  /** A cursor queue that crashed may have answered the guest, and not told the display yet. */
  constructor(private readonly context: ActorContext) {
    this.pacing = new DisplayPacing(context);
    if (context.life === 1) return;
    this.cursors.forEach((cursor, scanout) => this.recall(cursor, scanout * Kept.count));
    this.restore();
  }

  /** Where the image of `scanout` lies, or -1 before the first one. */
  slotOf(scanout: number): number {
    return this.cursors[scanout]!.slot;
  }

  move(scanout: number, x: number, y: number): void {
    this.place(scanout, x, y);
    this.cursors[scanout]!.moved = true;
    this.mark(scanout);
  }

  isHidden(scanout: number): boolean {
    return !this.cursors[scanout]!.visible;
  }

  /** Shows the last image again, if there was one. */
  reveal(scanout: number): void {
    if (this.cursors[scanout]!.slot >= 0) this.change(scanout, true);
  }

  /** Takes the position along without a message; the image that follows brings it. */
  place(scanout: number, x: number, y: number): void {
    const cursor = this.cursors[scanout]!;
    cursor.x = x;
    cursor.y = y;
    this.keep(scanout);
  }

  /** A new image, or -1 for the one before. It is shown unless it was hidden meanwhile. */
  load(scanout: number, slot: number, hotX: number, hotY: number, isShown: boolean): void {
    const cursor = this.cursors[scanout]!;
    if (slot >= 0) cursor.slot = slot;
    cursor.hotX = hotX;
    cursor.hotY = hotY;
    this.keep(scanout);
    if (isShown && cursor.slot >= 0) this.change(scanout, true);
  }

  hide(scanout: number, x: number, y: number): void {
    this.place(scanout, x, y);
    this.change(scanout, false);
  }

  /**
   * Hides every cursor. Each sender takes back what it has sent itself: a reset by another could overtake, or be
   * overtaken by, what the next driver shows.
   */
  clear(): void {
    this.cursors.forEach((cursor, scanout) => {
      if (cursor.visible) this.hide(scanout, cursor.x, cursor.y);
      cursor.slot = -1;
      this.keep(scanout);
    });
  }

  /** Tells a display that knows nothing every cursor that somebody may have seen, also that it is hidden by now. */
  restore(): void {
    this.cursors.forEach((cursor, scanout) => {
      if (!cursor.wasShown) return;
      cursor.changed = true;
      this.dirty |= 1 << scanout;
    });
    this.tell();
  }

  /** Every cursor that has an image. */
  states(): CursorState[] {
    const states: CursorState[] = [];
    this.cursors.forEach(({ slot, x, y, hotX, hotY, visible }, scanout) => {
      if (slot >= 0) states.push({ scanout, slot, x, y, hotX, hotY, isVisible: visible });
    });
    return states;
  }

  /** Takes one of a guest that goes on here. One that it has set here itself is newer; returns whether there was none. */
  take({ scanout, slot, x, y, hotX, hotY, isVisible }: CursorState): boolean {
    if (this.slotOf(scanout) >= 0) return false;
    this.place(scanout, x, y);
    this.load(scanout, slot, hotX, hotY, isVisible);
    return true;
  }

  /** Writes every cursor that has an image, which lies in the pool at native address `images`. */
  record(ring: RecordRing, images: number): void {
    for (let scanout = 0; scanout < scanoutsMax; scanout++) {
      const { x, y, hotX, hotY, slot, visible } = this.cursors[scanout]!;
      if (slot < 0) continue;
      ring.begin(EntryKind.cursor, cursorImageBytes, scanout, x, y, hotX, hotY, visible ? 1 : 0);
      ring.put(images + slot * cursorImageBytes, cursorImageBytes);
      ring.end();
    }
  }

  /** Tells what is due. Called when the guest has been answered. */
  tell(): void {
    for (let bits = this.dirty; bits !== 0; bits &= bits - 1) {
      const scanout = 31 - Math.clz32(bits & -bits);
      if (!this.pacing.mayTell(scanout)) continue;
      this.dirty &= ~(1 << scanout);
      this.sendOne(scanout);
    }
  }

  close(): void {
    this.pacing.close();
  }

  private sendOne(scanout: number): void {
    const { x, y, slot, visible, hotX, hotY, changed, moved } = this.cursors[scanout]!;
    if (changed && !visible) this.context.send("display", { type: "hide-cursor", scanout, x, y });
    else if (changed) this.context.send("display", { type: "show-cursor", scanout, slot, x, y, hotX, hotY });
    else if (moved) this.context.send("display", { type: "move-cursor", scanout, x, y });
    this.cursors[scanout]!.changed = false;
    this.cursors[scanout]!.moved = false;
  }

  private change(scanout: number, visible: boolean): void {
    const cursor = this.cursors[scanout]!;
    cursor.visible = visible;
    cursor.changed = true;
    if (visible) cursor.wasShown = true;
    this.keep(scanout);
    this.mark(scanout);
  }

  private keep(scanout: number): void {
    const { keep } = this.context;
    const { x, y, hotX, hotY, slot, visible, wasShown } = this.cursors[scanout]!;
    const at = scanout * Kept.count;
    keep[at + Kept.x] = x;
    keep[at + Kept.y] = y;
    keep[at + Kept.hotX] = hotX;
    keep[at + Kept.hotY] = hotY;
    keep[at + Kept.state] = (slot + 1) | (visible ? keptVisible : 0) | (wasShown ? keptShown : 0);
  }

  private recall(cursor: Cursor, at: number): void {
    const { keep } = this.context;
    cursor.x = keep[at + Kept.x]!;
    cursor.y = keep[at + Kept.y]!;
    cursor.hotX = keep[at + Kept.hotX]! >>> 0;
    cursor.hotY = keep[at + Kept.hotY]! >>> 0;
    const state = keep[at + Kept.state]!;
    cursor.slot = (state & keptSlot) - 1;
    cursor.visible = (state & keptVisible) !== 0;
    cursor.wasShown = (state & keptShown) !== 0;
  }

  private mark(scanout: number): void {
    this.dirty |= 1 << scanout;
  }
}
