// A moment's look at an idle ring before its actor sleeps: a sleep and its wake-up cost more.

import type { Ring } from "../../transport/virtio/ring.ts";
import type { ActorContext } from "../runtime/actor.ts";
import { QueueCounter } from "./counters.ts";

/** How long to look for more before sleeping, whatever the settings: a sleep and its wake-up cost more than this. */
export const sleepCostNs = 3_000;

/** Watches the ring and the doorbell for at most `forNs`; returns whether something came to the ring. */
export function watchIdle(ring: Ring, context: ActorContext, forNs: number): boolean {
  const until = Bun.nanoseconds() + forNs;
  do {
    for (let spin = 0; spin < 32; spin++) {
      if (context.isRung()) return false;
      if (ring.hasMore()) {
        context.counters[QueueCounter.kicksPolled]!++;
        return true;
      }
    }
  } while (Bun.nanoseconds() < until);
  return false;
}
