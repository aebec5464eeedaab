// Reads recordings of version 1 while they are written: chunk by chunk, as far as they are whole.

import { Chain } from "./chain.ts";
import { readChunkHead } from "./chunk-head.ts";
import { ChunkHead, ChunkKind, Tail } from "./layout.ts";
import type { GrowingRecording, ReadAt } from "./recording.ts";
import { RecordingError } from "./recording-error.ts";
import { Version1 } from "./version-1.ts";

/** Null where there is not enough of it yet: its first chunk says what it is of. Throws a {@link RecordingError}. */
export function growVersion1(
  readAt: ReadAt,
  size: number,
  close: () => void,
  version = 1,
): GrowingRecording | null {
  const chain = new Chain();
  const walk = new Walk(readAt, chain);
  try {
    walk.go(size);
  } catch (error) {
    // What was whole before is played; to grow on says again what is wrong.
    if (!(error instanceof RecordingError) || chain.found.length === 0) throw error;
  }
  return chain.found.length === 0 ? null : new Growing1(readAt, chain, walk, close, version);
}

class Growing1 extends Version1 implements GrowingRecording {
  private isOver = false;
  private size = 0;

  constructor(
    readAt: ReadAt,
    chain: Chain,
    private readonly walk: Walk,
    close: () => void,
    version: number,
  ) {
    super(readAt, chain, close, version);
    this.look();
  }

  override get isWhole(): boolean {
    return this.isOver;
  }

  get isWithinChunk(): boolean {
    return !this.isOver && this.size > this.chain.end;
  }

  grow(size: number): void {
    if (this.isOver) return;
    this.size = size;
    this.walk.go(size);
    this.look();
  }

  cut(text: string): void {
    if (this.isOver) return;
    this.isOver = true;
    this.ending = this.findEnding();
    if (this.ending.reason === "cut") this.ending = { ...this.ending, text };
  }

  private look(): void {
    const { end } = this.chain;
    if (!this.walk.isAtEnd) this.ending = { reason: "cut", text: "it is still being written", at: end };
    else this.cut("it has no end mark");
  }
}

/** Goes over chunks as they come. */
class Walk {
  /** Whether the index has come, behind which nothing is. */
  isAtEnd = false;

  constructor(
    private readonly readAt: ReadAt,
    private readonly chain: Chain,
  ) {}

  /** Adds to the chain what is whole among the first `size` bytes. Throws a {@link RecordingError}. */
  go(size: number): void {
    const { chain, readAt } = this;
    while (!this.isAtEnd && chain.end + ChunkHead.bytes <= size) {
      const { end } = chain;
      const facts = readChunkHead(readAt(end, ChunkHead.bytes));
      if (facts === null) throw new RecordingError(`there is no chunk at byte ${end}`);
      const isIndex = facts.kind === ChunkKind.index;
      const next = end + ChunkHead.bytes + facts.storedBytes + (isIndex ? Tail.bytes : 0);
      if (next > size) return;
      if (isIndex) this.isAtEnd = true;
      else if (!chain.add(facts))
        throw new RecordingError(`chunk ${facts.number} at byte ${end} does not follow`);
    }
  }
}
