// A ring from its start to its stop, with the descriptors that it was given: the guest's kicks, its calls, the VMM's errors.

import { EPOLLET, EPOLLIN } from "../../transport/os/epoll.ts";
import { closeFd } from "../../transport/os/fds.ts";
import { Notifier } from "../../transport/os/notifier.ts";
import { InflightRing } from "../../transport/virtio/inflight.ts";
import type { MemoryMap } from "../../transport/virtio/memory-map.ts";
import { Pop, type Position, type Ring } from "../../transport/virtio/ring.ts";
import { SplitRing } from "../../transport/virtio/split-ring.ts";
import type { QueueActor } from "../device-type.ts";
import type { QueueMessage, RingStart } from "./messages.ts";
import type { ActorContext } from "../runtime/actor.ts";
import { QueueCounter } from "./counters.ts";
import type { Succession } from "./succession.ts";

/** Kicks of a new ring that may bring nothing: quirks.qemuKicksAtStart. */
const vainKicksMax = 3;

export class RunningRing {
  readonly ring: Ring;
  /** Where a ring is from which nothing was ever taken, or -1; and its kicks so far, which brought nothing. */
  private readonly freshPosition: Position;
  private vainKicks = 0;
  private readonly kickFd: number;
  private failure: Notifier;
  private readonly inflight: InflightRing | null;

  /** Takes over the message's descriptors. Throws a {@link Refusal}, with all of them closed, where the ring cannot run. */
  constructor(
    private readonly context: ActorContext,
    memory: MemoryMap,
    message: RingStart,
    private readonly succession: Succession | null,
  ) {
    const { kickFd, callFd, errFd, inflightFd, inflightOffset, inflightNum } = message;
    let inflight: InflightRing | null = null;
    try {
      if (succession !== null) inflight = succession.recordOf(message);
      else if (inflightFd >= 0) inflight = InflightRing.open(inflightFd, inflightOffset, inflightNum);
      this.ring = new SplitRing(message, memory, message.base, inflight);
      // Edge-triggered: a kick's eventfd is never read.
      if (kickFd >= 0) context.epoll.add(kickFd, EPOLLIN | EPOLLET, () => this.kicked());
    } catch (error) {
      succession?.stopped();
      inflight?.unmap();
      for (const fd of [kickFd, callFd, errFd]) closeFd(fd);
      throw error;
    } finally {
      closeFd(inflightFd);
    }
    this.inflight = inflight;
    this.kickFd = kickFd;
    this.ring.callee = new Notifier(callFd);
    this.failure = new Notifier(errFd);
    // Whoever had it before may have died between what it showed the guest and the call.
    if (message.base < 0) this.ring.callAgain();
    this.freshPosition = this.ring.isFresh ? this.ring.position : -1;
  }

  /** Whether it started with nothing ever taken: a driver that starts anew, where one that was paused goes on where it was. */
  get startedFresh(): boolean {
    return this.freshPosition >= 0;
  }

  /** Takes over `fd`, to call the guest by. */
  callBy(fd: number): void {
    this.ring.callee.close();
    this.ring.callee = new Notifier(fd);
    // A call that went to the old descriptor after the VMM stopped listening to it must not be lost.
    this.ring.callAgain();
  }

  /** Takes over `fd`, to tell the VMM of errors by. */
  failBy(fd: number): void {
    this.failure.close();
    this.failure = new Notifier(fd);
  }

  /** The ring makes no sense any more: tells the VMM. It is left alone until it is set up again. */
  fail(how: number): void {
    this.ring.publish();
    this.context.counters[QueueCounter.brokenRings]!++;
    const why =
      how === Pop.CROWDED
        ? "more chains are under way than there are descriptors"
        : "the avail index jumped by more than the queue size";
    this.context.log.guest(() => `${why}: this ring is stopped`);
    this.context.send("vhost-session", { type: "ring-broken", actor: this.context.name as QueueActor });
    this.failure.signal();
  }

  /** Shows what was completed, and releases everything. */
  close(): void {
    if (this.kickFd >= 0) {
      this.context.epoll.remove(this.kickFd);
      closeFd(this.kickFd);
    }
    this.ring.publish();
    this.ring.callee.close();
    this.ring.detach();
    this.inflight?.unmap();
    this.succession?.stopped();
    this.failure.close();
  }

  private kicked(): void {
    this.context.counters[QueueCounter.wakeUps]!++;
    this.context.tap?.kicked();
    const { ring } = this;
    if (ring.position !== this.freshPosition || ring.hasMore()) return;
    if (++this.vainKicks === vainKicksMax) {
      this.context.log.guest(
        () => "the guest kicks a ring that stays empty: is share=on missing from the VMM's memory backend?",
      );
    }
  }
}

/** Has a ring call the guest, or the VMM, by the message's descriptor from now on; closes it where none runs. */
export function redirect(
  ring: RunningRing | null,
  message: Extract<QueueMessage, { type: "set-ring-call" | "set-ring-err" }>,
): void {
  if (message.type === "set-ring-call") {
    if (ring === null) closeFd(message.callFd);
    else ring.callBy(message.callFd);
  } else if (ring === null) closeFd(message.errFd);
  else ring.failBy(message.errFd);
}
