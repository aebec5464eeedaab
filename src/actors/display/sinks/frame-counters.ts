// What one sink has shown and missed, added to the display's totals as it goes.

import type { Damage } from "../../../picture/damage.ts";
import type { ActorContext } from "../../runtime/actor.ts";
import { slotOf } from "../../runtime/shared-words.ts";
import type { View } from "../scanouts/scanout.ts";
import { Counter } from "../counters.ts";

export class FrameCounters {
  frames = 0;
  bytes = 0;
  merged = 0;
  skipped = 0;

  private readonly totals: Float64Array;

  /** `sink` is its name. */
  constructor(
    private readonly context: Pick<ActorContext, "counters" | "tap">,
    private readonly sink: string,
  ) {
    this.totals = context.counters;
  }

  /** The sink begins to show `damage` of a scanout, whose pixels are those of this moment. */
  begin(scanout: number, view: View, damage: Damage): void {
    const { tap } = this.context;
    if (tap === null) return;
    tap.frameBegun(this.sink, scanout, view.surface.id, tap.takenFrom(slotOf("ctrl-queue")), damage);
  }

  /** A frame of `bytes` of pixels was taken whole by the other side. */
  frame(scanout: number, bytes: number): void {
    this.context.tap?.frameShown(this.sink, scanout);
    this.frames++;
    this.bytes += bytes;
    this.totals[Counter.frames]!++;
    this.totals[Counter.bytes]! += bytes;
  }

  /** Damage was added to damage that still waited: the frame before it is never shown on its own. */
  merge(): void {
    this.merged++;
    this.totals[Counter.flushesMerged]!++;
  }

  /** A frame was given up half sent. */
  skip(): void {
    this.skipped++;
    this.totals[Counter.framesSkipped]!++;
  }
}
