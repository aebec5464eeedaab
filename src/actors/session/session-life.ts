// Where the session is in its life, and for whom the socket is still open.

import { Entity, Lifecycle } from "../machines/lifecycle.ts";
import type { LifecycleTables } from "../machines/index.ts";
import type { Tap } from "../runtime/tap/tap.ts";

type SessionEvent = LifecycleTables["session"]["events"][number];

export class SessionLife extends Entity {
  private readonly lifecycle: Lifecycle<SessionEvent>;
  private rings = 0;
  /** Whether the queues have seen anything of this front-end's guest: a ring, or a state to go on with. */
  isUsed = false;

  /** `once`: there is only one front-end. `changed` is called after each event that the state has taken. */
  constructor(
    tables: LifecycleTables,
    private once: boolean,
    private readonly changed: () => void,
    tap: Tap | null = null,
  ) {
    super();
    this.lifecycle = new Lifecycle(tables.session, tap);
  }

  /** As in "connected.running". */
  get stateName(): string {
    return this.lifecycle.nameOf(this);
  }

  /** Whether its state, or one around that, has this name. */
  is(name: string): boolean {
    return this.stateName.split(".").includes(name);
  }

  /** Whether the last front-end has gone, and all that it leaves is being released. */
  get isEnding(): boolean {
    return this.once && this.is("closing");
  }

  connected(): void {
    this.rings = 0;
    this.isUsed = false;
    this.happens("CONNECTED");
  }

  featuresSet(): void {
    this.happens("SET_FEATURES");
  }

  ringStarted(): void {
    this.rings++;
    this.happens("RING_STARTED");
  }

  ringStopped(): void {
    if (this.rings > 0 && --this.rings === 0) this.happens("RINGS_STOPPED");
  }

  used(): void {
    this.isUsed = true;
  }

  deviceReset(): void {
    this.rings = 0;
    this.happens("RESET");
  }

  disconnected(): void {
    this.happens("DISCONNECTED");
  }

  violated(): void {
    this.happens("VIOLATION");
  }

  /** Whether nobody is served after this front-end. */
  get isLast(): boolean {
    return this.once;
  }

  /** Nobody is served any more once this front-end has gone. */
  stop(): void {
    this.once = true;
    this.happens("STOP");
  }

  /** Everything of the front-end is. */
  released(): void {
    this.happens(this.once ? "ENDED" : "RELEASED");
  }

  private happens(name: SessionEvent): void {
    const event = this.lifecycle.event(name);
    // What was on its way when the front-end went.
    if (!this.lifecycle.can(this, event)) return;
    this.lifecycle.take(this, event);
    this.changed();
  }
}
