// Storage for one guest's resources, from the best tier that makes it, and paid from the guest's budget.

import { SystemError } from "../../../../transport/os/errors.ts";
import type { Log } from "../../../runtime/log.ts";
import type { Budget } from "./budget.ts";
import { memfdBytes, MemfdStorage } from "./memfd-storage.ts";
import { Storage } from "./storage.ts";
import { StorageUnavailable, type Tier } from "./tier.ts";

export class Storages {
  constructor(
    private readonly tier: Tier,
    readonly budget: Budget,
    private readonly log: Log,
  ) {}

  /**
   * Zero-filled storage for `width` × `height` pixels, for which `reserved` bytes are paid already. Returns null, and the
   * log says why, when the host can't make it, or when it takes more than the guest may have.
   */
  create(width: number, height: number, reserved: number): Storage | null {
    // Before the host is asked for it; no tier takes less.
    if (!this.hasRoom(memfdBytes(width, height), reserved)) return null;
    const storage = this.make(width, height);
    if (storage === null) return null;
    if (!this.hasRoom(storage.size, reserved)) {
      storage.free();
      return null;
    }
    this.budget.take(storage.size - reserved);
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

  private hasRoom(bytes: number, reserved: number): boolean {
    if (this.budget.hasRoom(bytes - reserved)) return true;
    this.log.guest(() => `no storage: ${bytes} bytes are more than the guest has left`);
    return false;
  }

  private make(width: number, height: number): Storage | null {
    const { tier, log } = this;
    const made = tryTo(() => tier.create(width, height));
    if (made instanceof Storage) return made;
    if (tier.kind === "gbm") {
      // A driver has limits that memory has not.
      log.guest(() => `${width}x${height} pixels go into a memfd: ${made.message}`);
      const instead = tryTo(() => MemfdStorage.create(width, height, null));
      if (instead instanceof Storage) return instead;
    }
    log.guest(() => `no storage for ${width}x${height} pixels: ${made.message}`);
    return null;
  }
}

/** Returns what was made, or why the host has no more of it. */
function tryTo(make: () => Storage): Storage | Error {
  try {
    return make();
  } catch (error) {
    if (error instanceof StorageUnavailable || error instanceof SystemError) return error;
    throw error;
  }
}
