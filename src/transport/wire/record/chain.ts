// The chunks of a recording of version 1, which follow each other without a gap, and what each holds.

import { zstdDecompressSync } from "node:zlib";
import { type ChunkFacts, readChunkHead } from "./chunk-head.ts";
import { unpackEntries } from "./columns.ts";
import type { Entry } from "./entries.ts";
import { ChunkHead, ChunkKind, chunksMax, Encoding, fileHeadBytes } from "./layout.ts";
import type { ChunkInfo, ReadAt } from "./recording.ts";
import { RecordingError } from "./recording-error.ts";

/** A chunk's head and where it lies. */
export interface Found {
  readonly at: number;
  readonly facts: ChunkFacts;
}

export class Chain {
  readonly found: Found[] = [];
  /** As {@link found}, for whoever reads them. */
  readonly chunks: ChunkInfo[] = [];
  /** From here on nothing whole is known. */
  end = fileHeadBytes;
  private entries = 0;
  private commands = 0;
  private frames = 0;

  /** Returns false for one that does not follow. */
  add(facts: ChunkFacts): boolean {
    const { number, storedBytes, plainBytes, entries, commands, frames, firstTime, firstNumber } = facts;
    const isNext = number === this.found.length && firstNumber === this.entries;
    if (!isNext || facts.kind === ChunkKind.index || number === chunksMax) return false;
    this.found.push({ at: this.end, facts });
    this.chunks.push({
      number,
      at: this.end,
      storedBytes,
      plainBytes,
      isKeyframe: facts.kind === ChunkKind.keyframe,
      entries,
      commands,
      frames,
      firstEntry: firstNumber,
      firstTime,
      commandsBefore: this.commands,
      framesBefore: this.frames,
    });
    this.entries += entries;
    this.commands += commands;
    this.frames += frames;
    this.end += ChunkHead.bytes + storedBytes;
    return true;
  }
}

/** Throws a {@link RecordingError} that names the chunk where it is not what its head says. */
export function readEntries(readAt: ReadAt, found: Found): Entry[] {
  const { firstNumber, firstTime, entries, number } = found.facts;
  try {
    return unpackEntries(readPayload(readAt, found), entries, firstNumber, firstTime);
  } catch (error) {
    if (!(error instanceof RecordingError)) throw error;
    throw new RecordingError(`chunk ${number} at byte ${found.at} ${error.message}`, { cause: error });
  }
}

/** Throws a {@link RecordingError} where the payload is not what its head says. */
export function readPayload(readAt: ReadAt, { at, facts }: Found): Uint8Array {
  const { storedBytes, plainBytes, checksum, encoding, number } = facts;
  const whole = readAt(at, ChunkHead.bytes + storedBytes);
  const head = readChunkHead(whole);
  if (head === null || head.number !== number || head.checksum !== checksum) {
    throw new RecordingError("is not where the index says");
  }
  const stored = whole.subarray(ChunkHead.bytes);
  if (stored.length !== storedBytes || Bun.hash.crc32(stored) !== checksum) {
    throw new RecordingError("has another checksum than its bytes");
  }
  const plain = encoding === Encoding.plain ? stored : decompressed(stored, plainBytes);
  if (plain.length !== plainBytes) throw new RecordingError("has another length than its head says");
  return plain;
}

function decompressed(stored: Uint8Array, bytes: number): Uint8Array {
  try {
    // One byte more than there should be tells what is too long; a limit of none is not allowed.
    const most = bytes + 1;
    // In one piece: many would have to be put together.
    return zstdDecompressSync(stored, { maxOutputLength: most, chunkSize: Math.max(most, 64) });
  } catch (error) {
    throw new RecordingError("does not unpack to the length that its head says", { cause: error });
  }
}
