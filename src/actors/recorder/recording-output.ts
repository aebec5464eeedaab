// Where a recording goes: a file, or whoever reads it as it is made.

import type { Append } from "../../transport/wire/record/writer.ts";

export interface RecordingOutput {
  /** For people: a path, or who reads it. */
  readonly name: string;
  /** What takes it, as a noun. */
  readonly taker: string;
  /** Whether what is packed is there sooner, whoever waits: what goes to another machine. */
  readonly isFar: boolean;
  /** Milliseconds after which an entry is on its way. */
  readonly ageMs: number;
  /** Whether nobody takes it any more. What is appended then is lost. */
  readonly isUnread: boolean;
  /** Whether more may be appended now. What makes its writer wait has always room. */
  readonly hasRoom: boolean;
  /** Whether all that was appended is where it belongs. */
  readonly isTaken: boolean;
  readonly append: Append;
  /** Hands on what is not taken yet, without a wait. */
  proceed(): void;
  close(): void;
  /** As {@link close}, where nothing was written. */
  discard(): void;
}
