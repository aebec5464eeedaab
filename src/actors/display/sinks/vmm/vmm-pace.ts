// When the VMM is sent its next picture and cursor of each scanout. It has taken the last ones when its socket is empty: it
// reads them on the thread that may have its guest's interrupts and kicks to deliver, so it is left time for those.

import { unreadBytes } from "../../../../transport/os/unix-socket.ts";
import { scanoutsMax } from "../../../../transport/wire/virtio-gpu/protocol.ts";
import type { ActorContext } from "../../../runtime/actor.ts";
import { Pacer } from "../../../runtime/pacer.ts";
import { periodOf } from "../frame-rate.ts";

/** No message is so small in a socket's account, which the kernel may still be settling for the last one that was read. */
const accountMin = 64;

export class VmmPace {
  private readonly pacer: Pacer;
  /** What the VMM's EDIDs say, by scanout. */
  private readonly hz: number[] = [];

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
    this.hz[scanout] = hz;
    const periods = this.hz.map((one) => periodOf(this.context.config, one));
    this.pacer.periodMs = Math.min(...periods);
  }

  may(lane: number): boolean {
    return this.pacer.may(lane);
  }

  /** `lane` has something in the socket. */
  gave(lane: number): void {
    this.pacer.gave(lane);
    if (this.periodMs > 0) this.pacer.hold(lane);
  }

  /** The VMM has shown what it was given for `lane`. */
  took(lane: number): void {
    this.pacer.took(lane);
  }

  /** Looks how far the VMM has read. The socket's next EPOLLOUT is another time to look. */
  look(): void {
    if (this.pacer.isHeld && unreadBytes(this.socket) < accountMin) this.pacer.tookAll();
  }

  close(): void {
    this.pacer.close();
  }
}
