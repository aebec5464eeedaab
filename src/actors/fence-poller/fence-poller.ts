// The fence poller: waits for the renderer's fences, so that the ctrl queue need not. It calls no GL.

import { EPOLLET, EPOLLIN } from "../../transport/os/epoll.ts";
import { closeFd } from "../../transport/os/fds.ts";
import type { FencePollerMessage } from "./messages.ts";
import type { Actor, ActorContext } from "../runtime/actor.ts";

/** How often the ctrl queue asks a renderer that has no descriptor, while fences are out. */
const pollMs = 1;

export class FencePoller implements Actor<FencePollerMessage> {
  private fd = -1;
  private pending = 0;
  private isTicking = false;
  private isChecking = false;
  /** Checks that the ctrl queue has yet to answer. */
  private unanswered = 0;

  constructor(private readonly context: ActorContext) {}

  receive(message: FencePollerMessage): void {
    switch (message.type) {
      case "watch":
        this.unwatch();
        this.fd = message.fd;
        if (this.fd >= 0) this.context.epoll.add(this.fd, EPOLLIN | EPOLLET, () => this.wake());
        return;
      case "expect-fences":
        this.pending = message.fences;
        this.unanswered = 0;
        this.tick();
        this.check();
        return;
    }
  }

  stop(): void {
    this.unwatch();
  }

  private tick(): void {
    if (this.fd >= 0 || this.pending === 0 || this.isTicking) return;
    this.isTicking = true;
    this.context.timers.after(pollMs, () => {
      this.isTicking = false;
      this.wake();
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

  private wake(): void {
    this.context.send("ctrl-queue", { type: "fences-signalled" });
  }

  private unwatch(): void {
    if (this.fd < 0) return;
    this.context.epoll.remove(this.fd);
    closeFd(this.fd);
    this.fd = -1;
  }
}
