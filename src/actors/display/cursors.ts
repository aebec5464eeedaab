// The cursors of all scanouts, as the cursor queue tells of them: images from its pool, positions, and when one hides.

import { SystemError } from "../../transport/os/errors.ts";
import type { NativeMemory } from "../../transport/os/native-memory.ts";
import { memfdWith } from "../../transport/os/sent-bytes.ts";
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
    /** Whether a display that crashed may have shown cursors. */
    private readonly succeeds: boolean,
  ) {}

  load(message: CursorMessage): void {
    const { scanout: id, slot, x, y, hotX, hotY } = message;
    const { pool } = this;
    const offset = slot * cursorImageBytes;
    if (slot < 0 || offset + cursorImageBytes > pool.length) throw new RangeError(`no cursor slot ${slot}`);
    const scanout = this.scanouts[id]!;
    scanout.cursor.load(pool.address + offset);
    Object.assign(scanout.cursor, { isVisible: true, isTakenBack: false, x, y, hotX, hotY });
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
    const isHidden = type === "hide-cursor";
    if (!cursor.isVisible && !(isHidden && this.succeeds)) return;
    cursor.isVisible = !isHidden;
    cursor.isTakenBack = isHidden && this.succeeds;
    this.moved(scanout);
  }

  /** Those that are shown, with their images in a new memfd, which is the caller's; fd -1 where there is none, or no room. */
  copy() {
    const shown = this.scanouts.filter(({ cursor }) => cursor.isVisible && cursor.image !== null);
    const cursors = shown.map(({ id: scanout, cursor: { x, y, hotX, hotY } }) => ({
      ...{ scanout, x, y, hotX, hotY },
    }));
    const images = shown.map(({ cursor }) => cursor.image!);
    const fd = images.length === 0 ? -1 : joined(images);
    return { fd, cursors: fd < 0 ? [] : cursors };
  }

  free(): void {
    for (const { cursor } of this.scanouts) cursor.free();
    this.pool.unmap();
  }
}

/** A new memfd with one image behind the other; -1 where the host has no room. */
function joined(images: readonly NativeMemory[]): number {
  try {
    return memfdWith("fencepost-cursors", images.length * cursorImageBytes, (memory) => {
      const target = new Uint8Array(memory);
      images.forEach((image, index) =>
        target.set(new Uint8Array(image.view(0, cursorImageBytes)), index * cursorImageBytes),
      );
    });
  } catch (error) {
    if (!(error instanceof SystemError)) throw error;
    return -1;
  }
}
