// What the player and the worker that reads a stream tell each other.

export interface Wanted {
  readonly url: string;
  readonly token: string;
  /** Where to put what comes. */
  readonly fd: number;
  /** Doubles of shared memory: {@link Reached}. */
  readonly reached: SharedArrayBuffer;
}

/** Bytes that were played. */
export const Reached = { played: 0, count: 1 } as const;

/** Bytes that have come; or that no more come, and why; or why none can. */
export type Told = { bytes: number } | { end: string } | { failed: string };
