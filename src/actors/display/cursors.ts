// The cursors of all scanouts, as the cursor queue tells of them: images from its pool, positions, and when one hides.

import type { NativeMemory } from "../../transport/os/native-memory.ts";
import type { DisplayMessage } from "./messages.ts";
import { Counter } from "./counters.ts";
import { cursorImageBytes } from "../gpu/manifest.ts";
import type { Scanout } from "./scanouts/scanout.ts";

type CursorMessage = Extract<DisplayMessage, { type: "show-cursor" }>;
type MoveMessage = Extract<DisplayMessage, { type: "move-cursor" | "hide-cursor" }>;

export class Cursors {
  /** `pool` is this object's to unmap, `counters` are the display's; `loaded` and `moved` are told which scanout's cursor changed. */
  constructor(
    private readonly pool: NativeMemory,
    private readonly scanouts: readonly Scanout[],
    private readonly counters: Float64Array,
    private readonly loaded: (scanout: Scanout) => void,
    private readonly moved: (scanout: Scanout) => void,
  ) {}

  load(message: CursorMessage): void {
    const { scanout: id, slot, x, y, hotX, hotY } = message;
    const { pool } = this;
    const offset = slot * cursorImageBytes;
    if (slot < 0 || offset + cursorImageBytes > pool.length) throw new RangeError(`no cursor slot ${slot}`);
    const scanout = this.scanouts[id]!;
    scanout.cursor.load(pool.address + offset);
    Object.assign(scanout.cursor, { isVisible: true, x, y, hotX, hotY });
    this.counters[Counter.cursorImages]!++;
    this.loaded(scanout);
  }

  move({ type, scanout: id, x, y }: MoveMessage): void {
    const scanout = this.scanouts[id]!;
    const { cursor } = scanout;
    cursor.x = x;
    cursor.y = y;
    this.counters[Counter.cursorMoves]!++;
    // Where a hidden cursor is, is said when it appears.
    if (!cursor.isVisible) return;
    cursor.isVisible = type === "move-cursor";
    this.moved(scanout);
  }

  free(): void {
    for (const { cursor } of this.scanouts) cursor.free();
    this.pool.unmap();
  }
}
