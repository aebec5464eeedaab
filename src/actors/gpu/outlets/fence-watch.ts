// When the ctrl queue looks for fences that have retired: as soon as the renderer's descriptor says so while it sleeps, now
// and then between commands, and when the fence poller says that it is time.

import { libc } from "../../../ffi/libc.ts";
import { EPOLLET, EPOLLIN } from "../../../transport/os/epoll.ts";
import type { ActorContext } from "../../runtime/actor.ts";
import { CtrlCounter } from "../counters.ts";
import type { Fences } from "../model/fences.ts";
import { nanoseconds } from "../../../transport/os/clock.ts";

/** How long to wait for fences before sleeping. */
const lingerNs = 30_000;
/** How long a picture may have taken, with a sleep and a wake-up in it, for the next to be worth that wait. */
const shortMs = 0.06;
/** How long commands may run without a look at the fences that are out. */
const glanceNs = 20_000;

export class FenceWatch {
  /** Whether the poller knows that fences are out. */
  private isAnnounced = false;
  /** When {@link glance} looked last. */
  private glancedNs = 0;

  constructor(
    private readonly context: ActorContext,
    private readonly fences: Fences,
    /** Its descriptor becomes readable when fences have retired; -1 where it has to be asked. */
    private readonly renderer: { readonly pollFd: number },
    /** A command as people read it. */
    private readonly nameOf: (type: number) => string,
  ) {
    // In this thread's own sleep, so that a fence is one wake-up away from its answer. Edge-triggered: asking the
    // renderer reads the descriptor.
    if (renderer.pollFd >= 0) context.epoll.add(renderer.pollFd, EPOLLIN | EPOLLET, () => fences.poll(true));
  }

  /** Tells a poller that knows nothing. */
  begin(): void {
    this.isAnnounced = false;
    this.announce();
  }

  /** Lets go of the renderer's descriptor, before the renderer closes it. */
  close(): void {
    if (this.renderer.pollFd >= 0) this.context.epoll.remove(this.renderer.pollFd);
  }

  /** Before a command: a queue that never runs empty does not sleep, and would hear of no fence. */
  glance(): void {
    if (this.fences.pending === 0) return;
    const now = nanoseconds();
    if (now - this.glancedNs < glanceNs) return;
    this.glancedNs = now;
    this.fences.poll();
  }

  /** It is time to ask a renderer that has no descriptor. */
  ask(): void {
    this.fences.poll();
    // The poller ticks until it hears that it need not.
    this.rest();
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
    else this.expect(fences.pending);
  }

  /** Makes sure that the poller knows of fences. Called whenever the queue has made progress. */
  announce(): void {
    if (this.isAnnounced || this.fences.pending === 0) return;
    this.isAnnounced = true;
    this.expect(this.fences.pending);
  }

  /** Whether the renderer's own threads want the processor for a while: its last picture was a long one. */
  get yields(): boolean {
    return this.fences.pending > 0 && this.fences.lastWaitMs > shortMs;
  }

  /**
   * Waits for fences a moment, unless `isWanted()`: a short picture is done before a thread could sleep and be woken. After
   * a long one this thread would only be in the way of those that draw.
   */
  linger(isWanted: () => boolean): void {
    if (this.fences.pending === 0 || this.yields) return;
    const until = nanoseconds() + lingerNs;
    do {
      // Where processors are few, the renderer's own threads need this one.
      libc.sched_yield();
      this.fences.poll();
    } while (this.fences.pending > 0 && !isWanted() && nanoseconds() < until);
  }

  private rest(): void {
    if (!this.isAnnounced || this.fences.pending > 0) return;
    this.isAnnounced = false;
    this.expect(0);
  }

  private expect(fences: number): void {
    this.context.send("fence-poller", { type: "expect-fences", fences, ticks: this.renderer.pollFd < 0 });
  }
}
