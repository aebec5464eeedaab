// A kind of storage that this host may have.

import { Refusal } from "../../../../transport/os/errors.ts";
import type { Storage } from "./storage.ts";

export interface Tier {
  readonly kind: "gbm" | "udmabuf" | "memfd";
  /** Which memory it is, for people. */
  readonly description: string;
  /**
   * Zero-filled storage for `width` × `height` pixels. Throws a {@link Refusal} when the host can't make it.
   */
  create(width: number, height: number): Storage;
  /** Lets go of the device that it is made on, when no storage of it is left. */
  close(): void;
}

/** Why some storage can't be made now, for the log: the host or its driver has no more, or not so large. */
export class StorageUnavailable extends Refusal {}

/** Why this host has no such storage, and what mends it; for the person who started the server. */
export class TierUnavailable extends Error {}
