// A kind of storage that this host may have.

import type { Storage } from "./storage.ts";

export interface Tier {
  readonly kind: "gbm" | "udmabuf" | "memfd";
  /** Which memory it is, for people. */
  readonly description: string;
  /** Zero-filled storage for `width` × `height` pixels. Throws when the host can't make it. */
  create(width: number, height: number): Storage;
  /** Lets go of the device that it is made on, when no storage of it is left. */
  close(): void;
}

/** Why this host has no such storage, and what mends it; for the person who started the server. */
export class TierUnavailable extends Error {}
