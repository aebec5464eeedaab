// The cursors of all scanouts, as the cursor queue tells of them: images from its pool, positions, and when one hides.

import { closeFd } from "../../transport/os/fds.ts";
import { NativeMemory } from "../../transport/os/native-memory.ts";
import type { DisplayMessage } from "./messages.ts";
import { Counter } from "./counters.ts";
import { cursorImageBytes, type Scanout } from "./scanouts/scanout.ts";

type CursorMessage = Extract<DisplayMessage, { type: "show-cursor" }>;
type MoveMessage = Extract<DisplayMessage, { type: "move-cursor" | "hide-cursor" }>;

export class Cursors {
  private pool: NativeMemory | null = null;
  /** Those that came before the pool, by scanout. */
  private readonly early = new Map<number, CursorMessage>();

  /** `counters` are the display's; `loaded` and `moved` are told which scanout's cursor changed. */
  constructor(
    private readonly scanouts: readonly Scanout[],
    private readonly counters: Float64Array,
    private readonly loaded: (scanout: Scanout) => void,
    private readonly moved: (scanout: Scanout) => void,
  ) {}

  mapPool({ fd, slots }: Extract<DisplayMessage, { type: "map-cursor-pool" }>): void {
    this.pool?.unmap();
    this.pool = null;
    try {
      this.pool = NativeMemory.mapShared(fd, 0, slots * cursorImageBytes, "read");
    } finally {
      closeFd(fd);
    }
    for (const message of this.early.values()) this.load(message);
    this.early.clear();
  }

  load(message: CursorMessage): void {
    const { scanout: id, slot, x, y, hotX, hotY } = message;
    const { pool } = this;
    if (pool === null) {
      // The pool comes from another sender, and may come later.
      this.early.set(id, message);
      return;
    }
    const offset = slot * cursorImageBytes;
    if (slot < 0 || offset + cursorImageBytes > pool.length) throw new RangeError(`no cursor slot ${slot}`);
    const scanout = this.scanouts[id]!;
    scanout.cursor.load(pool.address + offset);
    Object.assign(scanout.cursor, { isVisible: true, x, y, hotX, hotY });
    this.counters[Counter.cursorImages]!++;
    this.loaded(scanout);
  }

  move({ type, scanout: id, x, y }: MoveMessage): void {
    const early = this.early.get(id);
    if (early !== undefined && type === "hide-cursor") this.early.delete(id);
    else if (early !== undefined) this.early.set(id, { ...early, x, y });
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
    this.pool?.unmap();
    this.pool = null;
  }
}
