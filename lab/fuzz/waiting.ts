// Waiting for a device that may have ended meanwhile.

import { DeviceTimeout } from "../driver/pump.ts";
import type { SyntheticGuest } from "../driver/synthetic-guest.ts";
import { patienceMs, Seen } from "./target.ts";

/** So long at most until an end is noticed. */
const lookMs = 250;

/** Waits for all answers. Throws {@link Seen} where the session has ended, and a {@link DeviceTimeout} where none come. */
export function untilAnswered({ queues, frontend }: SyntheticGuest): void {
  const deadline = performance.now() + patienceMs;
  for (const queue of queues) queue.commit();
  for (const queue of queues) {
    for (let isWaiting = true; isWaiting;) {
      try {
        queue.waitAll(lookMs);
        isWaiting = false;
      } catch (error) {
        if (!(error instanceof DeviceTimeout)) throw error;
        if (frontend.closed) throw new Seen("the session has ended", { cause: error });
        if (performance.now() > deadline) throw error;
      }
    }
  }
}
