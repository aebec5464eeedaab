// What the ctrl queue and the fence poller tell each other: when fences are out, and when to look after them.

import { libc } from "../../../ffi/libc.ts";
import { duplicateFdIfRoom } from "../../../transport/os/fds.ts";
import type { ActorContext } from "../../runtime/actor.ts";
import { CtrlCounter } from "../counters.ts";
import type { Fences } from "../model/fences.ts";

/** How long to wait for fences before sleeping. */
const lingerNs = 30_000;

export class FenceWatch {
  /** Whether the poller knows that fences are out. */
  private isAnnounced = false;

  constructor(
    private readonly context: ActorContext,
    private readonly fences: Fences,
    /** Its descriptor becomes readable when fences have retired; -1 where it has to be asked. */
    private readonly renderer: { readonly pollFd: number },
    /** A command as people read it. */
    private readonly nameOf: (type: number) => string,
  ) {
    this.begin();
  }

  /** Tells a poller that knows nothing. */
  begin(): void {
    const { pollFd } = this.renderer;
    // Without a descriptor it asks, which costs more and does as well.
    this.context.send("fence-poller", { type: "watch", fd: pollFd < 0 ? -1 : duplicateFdIfRoom(pollFd) });
    this.isAnnounced = false;
    this.announce();
  }

  /** Fences may be ready. */
  ready(): void {
    this.fences.poll();
    // A poller that has no descriptor ticks until it hears that it need not.
    if (this.renderer.pollFd < 0) this.rest();
  }

  /** Raises the alarm for what is too old, and lets the poller rest when nothing is out. */
  check(): void {
    const { context, fences } = this;
    fences.poll();
    fences.alarm(context.config.fenceAlarmMs, ({ command, context: id, ageMs }) => {
      context.counters[CtrlCounter.fencesStuck]!++;
      context.log.guest(
        () =>
          `${this.nameOf(command)} of context ${id} is stuck: ` +
          `the renderer has not finished it after ${Math.round(ageMs)} ms`,
      );
    });
    if (fences.pending === 0) this.rest();
    else context.send("fence-poller", { type: "expect-fences", fences: fences.pending });
  }

  /** Makes sure that the poller knows of fences. Called whenever the queue has made progress. */
  announce(): void {
    if (this.isAnnounced || this.fences.pending === 0) return;
    this.isAnnounced = true;
    this.context.send("fence-poller", { type: "expect-fences", fences: this.fences.pending });
  }

  /** Waits for fences a moment, unless `isWanted()`: a short picture is done before two threads could be woken. */
  linger(isWanted: () => boolean): void {
    if (this.fences.pending === 0) return;
    const until = Bun.nanoseconds() + lingerNs;
    do {
      // Where processors are few, the renderer's own threads need this one.
      libc.sched_yield();
      this.fences.poll();
    } while (this.fences.pending > 0 && !isWanted() && Bun.nanoseconds() < until);
  }

  private rest(): void {
    if (!this.isAnnounced || this.fences.pending > 0) return;
    this.isAnnounced = false;
    this.context.send("fence-poller", { type: "expect-fences", fences: 0 });
  }
}
