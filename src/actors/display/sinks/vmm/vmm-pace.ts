// When the VMM is sent its next picture and cursor of each scanout. It has taken the last ones when its socket is empty: it
// reads them on the thread that may have its guest's interrupts and kicks to deliver, so it is left time for those.

import { unreadBytes } from "../../../../transport/os/unix-socket.ts";
import { scanoutsMax } from "../../../../transport/wire/virtio-gpu/protocol.ts";
import type { ActorContext } from "../../../runtime/actor.ts";
import { Pacer } from "../../../runtime/pacer.ts";
import { now } from "../../../runtime/timers.ts";
import { periodOf } from "../frame-rate.ts";

/** No message is so small in a socket's account, which the kernel may still be settling for the last one that was read. */
const accountMin = 64;
/** When to look whether the VMM has taken what it was given, where more waits, as part of a slot: before its rest would move the beat. */
const lookAfter = 3 / 8;

export class VmmPace {
  private readonly pacer: Pacer;
  /** What the VMM's EDIDs say, by scanout. */
  private readonly hz = new Map<number, number>();
  private gaveAt = 0;
  private isLooking = false;
  private hasLooked = false;
  private cancel: () => void = nothing;

  constructor(
    private readonly context: Pick<ActorContext, "config" | "timers">,
    private readonly socket: number,
  ) {
    this.pacer = new Pacer(context.timers, 2 * scanoutsMax);
    this.pacer.periodMs = periodOf(context.config);
  }

  get periodMs(): number {
    return this.pacer.periodMs;
  }

  /** The output of `scanout` is said to refresh `hz` times a second. Outputs go by the fastest of them. */
  refreshes(scanout: number, hz: number): void {
    this.hz.set(scanout, hz);
    const periods = Array.from(this.hz.values(), (one) => periodOf(this.context.config, one));
    this.pacer.periodMs = Math.min(...periods);
  }

  /** Whether the VMM is slow to take what it was given: only its socket tells when it has. */
  get isOverdue(): boolean {
    return this.hasLooked && this.pacer.isHeld;
  }

  /** Whether `lane` may be given a change now; where its last one is not taken, the actor has a turn to look again. */
  may(lane: number): boolean {
    if (this.pacer.may(lane)) return true;
    if (this.pacer.isHeldAt(lane)) this.lookLater();
    return false;
  }

  /** `lane` has something in the socket. */
  gave(lane: number): void {
    this.pacer.gave(lane);
    if (this.periodMs === 0) return;
    this.pacer.hold(lane);
    this.hasLooked = false;
    this.gaveAt = now();
  }

  /** The VMM has shown what it was given for `lane`. */
  took(lane: number): void {
    this.pacer.took(lane);
  }

  /** Looks how far the VMM has read. The turn that follows a timer is a time to look, and later the socket's EPOLLOUT. */
  look(): void {
    if (!this.pacer.isHeld || unreadBytes(this.socket) >= accountMin) return;
    // What nobody waited for may have been taken long ago.
    if (this.hasLooked) this.pacer.tookAll();
    else this.pacer.releaseAll();
    this.cancel();
    this.isLooking = false;
  }

  close(): void {
    this.cancel();
    this.pacer.close();
  }

  /** Only where a change waits: one that comes in its own slot finds what the one before it needs to know. */
  private lookLater(): void {
    if (this.isLooking || this.hasLooked) return;
    this.isLooking = true;
    this.cancel = this.context.timers.after(this.gaveAt + this.periodMs * lookAfter - now(), this.due);
  }

  private readonly due = (): void => {
    this.isLooking = false;
    this.hasLooked = true;
  };
}

function nothing(): void {}
