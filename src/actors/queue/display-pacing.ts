// Holding changes back, to be merged, while nobody would see them: until the scanout's next slot at the display, and while
// that has not taken the last ones. To take a message costs it as much as a guest's flush costs the queue.

import { scanoutsMax } from "../../transport/wire/virtio-gpu/protocol.ts";
import type { NativeMemory } from "../../transport/os/native-memory.ts";
import type { ActorContext } from "../runtime/actor.ts";
import { Pacer } from "../runtime/pacer.ts";
import { now } from "../runtime/timers.ts";

/** Messages that the display may have waiting before changes are held back. */
const backlogMax = 64;
/** Changes that are told at once where the display has no limit, and in how long a time. */
const changesMax = 8;
const windowMs = 2;

export class DisplayPacing {
  private readonly pacer: Pacer;
  private readonly area: NativeMemory;
  /** Microseconds from slot to slot of the display's fastest sink. */
  private readonly period: Int32Array;
  private isWaiting = false;
  private windowEnd = 0;
  private changes = 0;

  constructor(private readonly context: ActorContext) {
    this.pacer = new Pacer(context.timers, scanoutsMax);
    this.area = context.area("display-period", "read");
    this.period = new Int32Array(this.area.view());
  }

  /** Whether the display may be told of a change of `scanout` now; where not, the actor has a turn a little later. */
  mayTell(scanout: number): boolean {
    const { pacer } = this;
    // A plain load: the engine's atomic ones write, which this mapping does not allow. An old value does no harm.
    pacer.periodMs = this.period[0]! / 1000;
    if (!pacer.may(scanout) || !this.isWelcome()) return false;
    pacer.gave(scanout);
    return true;
  }

  close(): void {
    this.pacer.close();
    this.area.unmap();
  }

  private isWelcome(): boolean {
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
      this.context.timers.after(windowMs, this.waited);
    }
    return false;
  }

  /** The turn that follows a timer does the rest. */
  private readonly waited = (): void => {
    this.isWaiting = false;
  };
}
