// Where a recording comes from that is still being written: a file that holds what has come so far.

import type { ReadAt } from "../../../src/transport/wire/record/recording.ts";

export interface Source {
  readonly readAt: ReadAt;
  /** Bytes that have come. */
  readonly bytes: number;
  /** Why no more comes; null where more may. */
  readonly end: string | null;
  /** Resolves when more has come, or the end is known, or after a while. Throws a {@link Refusal} where nothing can come. */
  wait(signal: AbortSignal): Promise<void>;
  /** What lies before this byte is not read again. */
  forget(before: number): void;
  close(): void;
}
