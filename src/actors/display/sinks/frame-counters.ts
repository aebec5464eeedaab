// What one sink has shown and missed, added to the display's totals as it goes.

import { Counter } from "../counters.ts";

export class FrameCounters {
  frames = 0;
  bytes = 0;
  merged = 0;
  skipped = 0;

  /** `totals` are the counters of the display. */
  constructor(private readonly totals: Float64Array) {}

  /** A frame of `bytes` of pixels was taken whole by the other side. */
  frame(bytes: number): void {
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
