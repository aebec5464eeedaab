// The fence poller: keeps time for fences that are out. Where the renderer has a descriptor the ctrl queue sleeps on that
// itself, as a second thread in between would cost a second wake-up. It calls no GL.

import type { FencePollerMessage } from "./messages.ts";
import type { Actor, ActorContext } from "../runtime/actor.ts";

/** How often the ctrl queue asks a renderer that has no descriptor, while fences are out. */
const pollMs = 1;

export class FencePoller implements Actor<FencePollerMessage> {
  private pending = 0;
  /** Whether the ctrl queue is told to ask the renderer. */
  private ticks = false;
  private isTicking = false;
  private isChecking = false;
  /** Checks that the ctrl queue has yet to answer. */
  private unanswered = 0;

  constructor(private readonly context: ActorContext) {}

  receive({ fences, ticks }: FencePollerMessage): void {
    this.pending = fences;
    this.ticks = ticks;
    this.unanswered = 0;
    this.tick();
    this.check();
  }

  /** Its fences went with it. */
  peerLost(): void {
    this.pending = 0;
  }

  private tick(): void {
    if (!this.ticks || this.pending === 0 || this.isTicking) return;
    this.isTicking = true;
    this.context.timers.after(pollMs, () => {
      this.isTicking = false;
      this.context.send("ctrl-queue", { type: "poll-renderer" });
      this.tick();
    });
  }

  /** Has old fences looked for, for as long as some are out. */
  private check(): void {
    if (this.pending === 0 || this.isChecking) return;
    this.isChecking = true;
    const { context } = this;
    context.timers.after(context.config.fenceAlarmMs, () => {
      this.isChecking = false;
      if (this.pending === 0) return;
      // A ctrl queue that cannot look is stuck in the renderer itself.
      if (this.unanswered++ === 1) context.log.warning("the ctrl queue is stuck: it does not answer");
      context.send("ctrl-queue", { type: "check-fences" });
      this.check();
    });
  }
}
