// Holding changes back, to be merged, while the display has not taken the last ones, or has been told often enough: to
// take a message costs it as much as a guest's flush costs the queue, and a flood of them would leave it no time to draw.

import type { ActorContext } from "../runtime/actor.ts";
import { now } from "../runtime/timers.ts";

/** Messages that the display may have waiting before changes are held back. */
const backlogMax = 64;
/** Changes that are told at once, and in how long a time: more than any display shows. */
const changesMax = 8;
const windowMs = 2;

export class DisplayPacing {
  private isWaiting = false;
  private windowEnd = 0;
  private changes = 0;

  constructor(
    private readonly context: ActorContext,
    private readonly retry: () => void,
  ) {}

  /** Whether the display may be told of a change now; where not, `retry` runs a little later. */
  maySend(): boolean {
    const time = now();
    if (time >= this.windowEnd) {
      this.windowEnd = time + windowMs;
      this.changes = 0;
    }
    if (this.changes < changesMax && this.context.backlog("display") <= backlogMax) {
      this.changes++;
      return true;
    }
    if (!this.isWaiting) {
      this.isWaiting = true;
      this.context.timers.after(windowMs, () => {
        this.isWaiting = false;
        this.retry();
      });
    }
    return false;
  }
}
