// A recording as its readers see it, whatever its version.

import type { End, Start } from "./details.ts";
import type { Entry } from "./entries.ts";

/** Reads `length` bytes of the file from `offset` on, or as many as there are. */
export type ReadAt = (offset: number, length: number) => Uint8Array;

/** Some entries that lie together: what is read at a time. */
export interface ChunkInfo {
  readonly number: number;
  /** Where it lies in the file. */
  readonly at: number;
  readonly storedBytes: number;
  readonly plainBytes: number;
  /** Whether it begins with a keyframe's entry. */
  readonly isKeyframe: boolean;
  readonly entries: number;
  readonly commands: number;
  readonly frames: number;
  readonly firstEntry: number;
  readonly firstTime: number;
  /** Commands and frames in all chunks before. */
  readonly commandsBefore: number;
  readonly framesBefore: number;
}

/** How a recording ends: with its end mark, or at the byte from which on nothing whole follows. */
export type Ending = End | { reason: "cut"; text: string; at: number };

export interface Recording {
  readonly version: number;
  readonly start: Start;
  /** How it ends, as far as that is known. */
  readonly ending: Ending;
  readonly chunks: readonly ChunkInfo[];
  /** Whether no more chunks come. */
  readonly isWhole: boolean;
  /** The entries of a chunk; their bodies are views that nobody writes. Throws a {@link RecordingError} where it is damaged. */
  read(chunk: number): Entry[];
  /** All entries from a chunk on. */
  entries(from?: number): Generator<Entry>;
  /** The last chunk that begins with a keyframe and lies no later than `chunk`; 0, where the recording begins, if there is none. */
  keyframeBefore(chunk: number): number;
  /** The chunk that holds frame `frame`, counted from 0; -1 where there is none. */
  chunkOfFrame(frame: number): number;
  close(): void;
}

/** How many there are in all of a recording. */
export function totalsOf({ chunks }: Recording): { entries: number; commands: number; frames: number } {
  const last = chunks.at(-1)!;
  return {
    entries: last.firstEntry + last.entries,
    commands: last.commandsBefore + last.commands,
    frames: last.framesBefore + last.frames,
  };
}

/** A recording that is still being written. */
export interface GrowingRecording extends Recording {
  /** Whether what was written last is the beginning of a chunk. */
  readonly isWithinChunk: boolean;
  /**
   * Looks at what has come: there are `size` bytes now. Throws a {@link RecordingError} where that can be no recording; what was
   * whole before stays.
   */
  grow(size: number): void;
  /** No more comes, because of `text`. */
  cut(text: string): void;
}
