// Actors that were told to stop, and whether each has in time.

import type { WorkerName } from "../registry.ts";
import { settlesWithin } from "./timers.ts";

export class Stops {
  private readonly waiting = new Map<WorkerName, () => void>();

  /** Whether `name` has stopped, or is gone, within `timeoutMs` from now. */
  isInTime(name: WorkerName, timeoutMs: number): Promise<boolean> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.waiting.set(name, resolve);
    return settlesWithin(promise, timeoutMs);
  }

  stopped(name: WorkerName): void {
    this.waiting.get(name)?.();
  }
}
