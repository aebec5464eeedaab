// Storage for one guest's resources, from the best tier that makes it, and paid from the guest's budget.

import type { Log } from "../../../runtime/log.ts";
import type { Budget } from "./budget.ts";
import { memfdBytes, MemfdStorage } from "./memfd-storage.ts";
import type { Storage } from "./storage.ts";
import type { Tier } from "./tier.ts";

export class Storages {
  constructor(
    private readonly tier: Tier,
    readonly budget: Budget,
    private readonly log: Log,
  ) {}

  /**
   * Zero-filled storage for `width` × `height` pixels, for which `reserved` bytes are paid already. Throws when the host
   * can't make it, or when it takes more than the guest may have.
   */
  create(width: number, height: number, reserved: number): Storage {
    // Before the host is asked for it; no tier takes less.
    this.checkRoom(memfdBytes(width, height), reserved);
    const storage = this.make(width, height);
    const more = storage.size - reserved;
    try {
      this.checkRoom(storage.size, reserved);
    } catch (error) {
      storage.free();
      throw error;
    }
    this.budget.take(more);
    storage.budget = this.budget;
    return storage;
  }

  /** Gives the host everything back that was kept for resources to come. */
  forget(): void {
    MemfdStorage.forget();
  }

  /** Nobody uses any of it any more. */
  close(): void {
    this.forget();
    this.tier.close();
  }

  private checkRoom(bytes: number, reserved: number): void {
    if (this.budget.hasRoom(bytes - reserved)) return;
    throw new Error(`${bytes} bytes are more than the guest has left`);
  }

  private make(width: number, height: number): Storage {
    try {
      return this.tier.create(width, height);
    } catch (error) {
      // A driver has limits that memory has not.
      if (this.tier.kind !== "gbm") throw error;
      this.log.guest(() => `${width}x${height} pixels go into a memfd: ${(error as Error).message}`);
      return MemfdStorage.create(width, height, null);
    }
  }
}
