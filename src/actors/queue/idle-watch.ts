// A moment's look at an idle ring before its actor sleeps: a sleep and its wake-up cost more.

import type { Ring } from "../../transport/virtio/ring.ts";
import type { ActorContext } from "../runtime/actor.ts";
import { QueueCounter } from "./counters.ts";
import { nanoseconds } from "../../transport/os/clock.ts";

/** For how long, where the settings do not say more: a sleep and its wake-up cost more than this. */
const sleepCostNs = 3_000;

/**
 * Watches the ring and the doorbell; where the actor `yields` its processor, only as the settings say. Returns whether
 * something came to the ring.
 */
export function watchIdle(ring: Ring, context: ActorContext, yields: boolean): boolean {
  const forNs = Math.max(context.config.pollUs * 1000, yields ? 0 : sleepCostNs);
  if (forNs === 0) return false;
  const until = nanoseconds() + forNs;
  do {
    for (let spin = 0; spin < 32; spin++) {
      if (context.isRung()) return false;
      if (ring.hasMore()) {
        context.counters[QueueCounter.kicksPolled]!++;
        return true;
      }
    }
  } while (nanoseconds() < until);
  return false;
}
