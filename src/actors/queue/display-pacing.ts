// Holding changes back, to be merged, while the display has not taken the last ones.

import type { ActorContext } from "../runtime/actor.ts";

/** Messages that the display may have waiting before changes are held back. */
const backlogMax = 64;
/** How soon to try again when it has. */
const retryMs = 2;

export class DisplayPacing {
  private isWaiting = false;

  constructor(
    private readonly context: ActorContext,
    private readonly retry: () => void,
  ) {}

  /** Whether the display may be sent to now; where not, `retry` runs a little later. */
  maySend(): boolean {
    if (this.context.backlog("display") <= backlogMax) return true;
    if (!this.isWaiting) {
      this.isWaiting = true;
      this.context.timers.after(retryMs, () => {
        this.isWaiting = false;
        this.retry();
      });
    }
    return false;
  }
}
