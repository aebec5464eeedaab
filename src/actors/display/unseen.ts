// A picture that nobody shows: whoever starts a guest for the first time takes that for a guest without a picture.

import type { ActorContext } from "../runtime/actor.ts";

/** A VMM's display may come a little later than the picture, as for a display that was restarted. */
const graceMs = 1_000;

export class Unseen {
  private isWatching: boolean;

  /** `isUnseen`: whether a scanout is on, and no sink is there. */
  constructor(
    private readonly context: ActorContext,
    private readonly isUnseen: () => boolean,
  ) {
    this.isWatching = context.config.inspect === undefined;
  }

  /** A scanout shows something. Says once in a life where to see it. */
  shown(): void {
    if (!this.isWatching || !this.isUnseen()) return;
    this.isWatching = false;
    this.context.timers.after(graceMs, () => {
      if (!this.isUnseen()) this.isWatching = true;
      else
        this.context.log.info(
          "the guest shows a picture that nobody sees: start the server with --wayland or --inspect, or take one by ctl screenshot",
        );
    });
  }
}
