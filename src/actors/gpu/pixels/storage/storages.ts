// Storage for one guest's resources, from the best tier that makes it, and paid from the guest's budget.

import { asRefusal, type Refusal } from "../../../../transport/os/errors.ts";
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
    const hasRoom = this.budget.hasRoom(bytes - reserved);
    if (!hasRoom) this.tellFull(bytes);
    return hasRoom;
  }

  /** There is no room for pixels of so many bytes. */
  tellFull(bytes: number): void {
    this.log.beyond("storageBytesMax", this.budget.max, `no storage for ${bytes} bytes of pixels`);
  }

  private make(width: number, height: number): Storage | null {
    try {
      return this.tier.create(width, height);
    } catch (error) {
      return this.makeInstead(width, height, asRefusal(error));
    }
  }

  /** A driver has limits that memory has not. */
  private makeInstead(width: number, height: number, { message }: Refusal): Storage | null {
    if (this.tier.kind === "gbm") {
      this.tell(`${width}x${height} pixels go into a memfd: ${message}`);
      try {
        return MemfdStorage.create(width, height, null);
      } catch (error) {
        asRefusal(error);
      }
    }
    this.tell(`no storage for ${width}x${height} pixels: ${message}`);
    return null;
  }

  private tell(what: string): void {
    this.log.guest(() => what);
  }
}
