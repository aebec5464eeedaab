// Actors that were told to stop, and whether each has in time.

import type { WorkerName } from "../registry.ts";
import { afterInEventLoop } from "./timers.ts";

export class Stops {
  private readonly waiting = new Map<WorkerName, () => void>();

  /** Whether `name` has stopped, or is gone, within `timeoutMs` from now. */
  async isInTime(name: WorkerName, timeoutMs: number): Promise<boolean> {
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const cancel = afterInEventLoop(timeoutMs, () => resolve(false));
    this.waiting.set(name, () => resolve(true));
    const isInTime = await promise;
    cancel();
    return isInTime;
  }

  stopped(name: WorkerName): void {
    this.waiting.get(name)?.();
  }
}
