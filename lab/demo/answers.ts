// Waiting for the device's answers so that a Ctrl-C is heard meanwhile.

import { DeviceTimeout } from "../driver/pump.ts";
import type { SyntheticGuest } from "../driver/synthetic-guest.ts";

const sliceMs = 200;
/** What a device that works still needs, once the demo is to end. */
const lastSliceMs = 2000;

/**
 * Runs `wait` with a time limit until it does not run into it, for as long as the guest is patient, or shortly beyond the
 * moment when `stopped` says so. Throws a {@link DeviceTimeout}.
 */
export async function answered(
  { pump }: SyntheticGuest,
  stopped: () => boolean,
  wait: (timeoutMs: number) => void,
): Promise<void> {
  const deadline = performance.now() + pump.patienceMs;
  for (;;) {
    const isLast = stopped() || performance.now() >= deadline;
    try {
      return wait(isLast ? lastSliceMs : sliceMs);
    } catch (error) {
      if (!(error instanceof DeviceTimeout) || isLast) throw error;
    }
    // Signals are delivered only while the event loop turns.
    await Bun.sleep(0);
  }
}
