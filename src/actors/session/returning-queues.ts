// Queue actors that were restarted: each is given what its predecessor had, once the memory is there that its rings lie in. A VMM
// may have taken that away for a moment, to put a larger region in its place (quirks.qemuReplacesRegionsInTwoSteps).

import type { QueueActor } from "../device-type.ts";
import type { DisplaySocket } from "./display-socket.ts";
import type { QueueLink } from "./queue-link.ts";
import type { Rings } from "./rings.ts";
import type { SharedMemory } from "./shared-memory.ts";

/** What an actor is given. */
interface Parts {
  memory: SharedMemory;
  rings: Rings;
  display: DisplaySocket;
}

export class ReturningQueues {
  private readonly waiting = new Set<QueueActor>();
  /** How many of each were given it. */
  private readonly numbers = new Map<QueueActor, number>();

  constructor(
    private readonly queues: QueueLink,
    private readonly all: readonly QueueActor[],
    private readonly parts: Parts,
  ) {}

  /** Another one is there. Where it is being stopped it is told at once, since nobody else knows where its ring is. */
  back(actor: QueueActor): void {
    if (!this.parts.rings.haveMemory(actor) && !this.queues.owesBase(actor)) this.waiting.add(actor);
    else this.give(actor);
  }

  /** The memory is another: tells all but those who know nothing yet, and then those of them whose memory that was. */
  share(): void {
    this.parts.memory.share(this.all.filter((actor) => !this.waiting.has(actor)));
    this.goOn();
  }

  /** Rings that wanted memory may be gone. */
  goOn(): void {
    for (const actor of this.waiting) if (this.parts.rings.haveMemory(actor)) this.give(actor);
  }

  /** Nobody waits any more, whatever is missing. */
  hurry(): void {
    for (const actor of this.waiting) this.give(actor);
  }

  private give(actor: QueueActor): void {
    const { memory, rings, display } = this.parts;
    this.waiting.delete(actor);
    const number = (this.numbers.get(actor) ?? 0) + 1;
    this.numbers.set(actor, number);
    const steps = [
      // Before the memory, with which it makes again what was shown: on scanouts that only this display has, too.
      () => display.tellNew(actor),
      () => memory.shareWithNew(actor, rings.goOn(actor)),
      () => rings.restart(actor),
    ];
    for (const step of steps) {
      // Another one that has come meanwhile has been given all of it.
      if (this.numbers.get(actor) === number) step();
    }
  }
}
