// What the contract of sinks asks of the other side of one, whichever it is.

import type { Rect } from "../../../src/picture/damage.ts";
import type { Stage } from "../../actors/display/stage.ts";

export interface CursorSeen {
  hotX: number;
  hotY: number;
  /** 0xAARRGGBB, row by row. */
  pixels: Uint32Array;
}

export interface SinkPeer {
  /** The display whose sink it is the other side of. */
  readonly stage: Stage;
  /** Comes: the display finds it, or is told of it. */
  come(): Promise<void>;
  /** Lets the display and itself do what they have to do, until neither has more. */
  settle(): void;
  /** Takes nothing more, until it is freed to. */
  stall(): void;
  resume(): void;
  /** What scanout `id` shows, as 0xRRGGBB row by row; null while it is off. */
  picture(id?: number): Uint32Array | null;
  /** The damage that it was told of last. */
  damage(): Rect;
  /** How often it was given something new to show. */
  frames(): number;
  /** The cursor of scanout 0, where it is seen. */
  cursor(): CursorSeen | null;
  /** Hangs up without a word. */
  die(): void;
  /** Whether the display has hung up. */
  isLeft(): boolean;
  /** Lets go of itself and of the display. */
  free(): void;
}
