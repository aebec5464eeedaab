// Reads recordings of version 1. A later version has a reader of its own beside this one.

import { zstdDecompressSync } from "node:zlib";
import { type ChunkFacts, readChunkHead } from "./chunk-head.ts";
import { unpackEntries } from "./columns.ts";
import { detailsOf, type Start } from "./details.ts";
import type { Entry } from "./entries.ts";
import { ChunkHead, ChunkKind, chunksMax, Encoding, fileHeadBytes, Tail, tailMagic } from "./layout.ts";
import { unpack } from "./plain-msgpack.ts";
import type { ChunkInfo, Ending, ReadAt, Recording } from "./recording.ts";
import { RecordingError } from "./recording-error.ts";

/** `readAt` reads the file of `size` bytes; `close` is called when nobody reads any more. */
export function openVersion1(readAt: ReadAt, size: number, close: () => void, version = 1): Recording {
  const table = readIndex(readAt, size) ?? scan(readAt, size);
  if (table.found.length === 0) throw new RecordingError("this recording holds no whole chunk");
  return new Version1(readAt, table, close, version);
}

/** A chunk's head and where it lies. */
interface Found {
  readonly at: number;
  readonly facts: ChunkFacts;
}

interface Table {
  readonly found: readonly Found[];
  /** From here on nothing whole follows. */
  readonly end: number;
}

class Version1 implements Recording {
  readonly start: Start;
  readonly ending: Ending;
  readonly chunks: readonly ChunkInfo[];

  constructor(
    private readonly readAt: ReadAt,
    private readonly table: Table,
    readonly close: () => void,
    readonly version: number,
  ) {
    this.chunks = describe(table.found);
    const [first] = this.read(0);
    if (first?.kind !== "start") throw new RecordingError("this recording has no start");
    this.start = detailsOf(first);
    this.ending = this.findEnding();
  }

  read(chunk: number): Entry[] {
    const found = this.table.found[chunk];
    if (found === undefined) throw new RangeError(`there is no chunk ${chunk}`);
    const { firstNumber, firstTime, entries } = found.facts;
    return explained(found, () =>
      unpackEntries(readPayload(this.readAt, found), entries, firstNumber, firstTime),
    );
  }

  *entries(from = 0): Generator<Entry> {
    for (let chunk = from; chunk < this.chunks.length; chunk++) yield* this.read(chunk);
  }

  keyframeBefore(chunk: number): number {
    for (let at = chunk; at > 0; at--) if (this.chunks[at]!.isKeyframe) return at;
    return 0;
  }

  chunkOfFrame(frame: number): number {
    let low = 0;
    let high = this.chunks.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const { framesBefore, frames } = this.chunks[middle]!;
      if (framesBefore + frames > frame) high = middle;
      else low = middle + 1;
    }
    return frame >= 0 && low < this.chunks.length ? low : -1;
  }

  private findEnding(): Ending {
    const cut: Ending = { reason: "cut", text: "the file ends here", at: this.table.end };
    try {
      const last = this.read(this.chunks.length - 1).at(-1);
      return last?.kind === "end" ? detailsOf(last) : cut;
    } catch (error) {
      if (!(error instanceof RecordingError)) throw error;
      return { ...cut, text: error.message };
    }
  }
}

function describe(found: readonly Found[]): ChunkInfo[] {
  let [commandsBefore, framesBefore] = [0, 0];
  return found.map(({ at, facts }) => {
    const { number, storedBytes, plainBytes, entries, commands, frames, firstTime, firstNumber } = facts;
    const sums = { commandsBefore, framesBefore };
    commandsBefore += commands;
    framesBefore += frames;
    const isKeyframe = facts.kind === ChunkKind.keyframe;
    const size = { at, storedBytes, plainBytes };
    return {
      number,
      ...size,
      isKeyframe,
      entries,
      commands,
      frames,
      firstEntry: firstNumber,
      firstTime,
      ...sums,
    };
  });
}

/** What the index at the end of the file says; null where there is none, or it makes no sense. */
function readIndex(readAt: ReadAt, size: number): Table | null {
  const tail = readAt(Math.max(0, size - Tail.bytes), Tail.bytes);
  if (tail.length < Tail.bytes) return null;
  const view = new DataView(tail.buffer, tail.byteOffset, Tail.bytes);
  const checksum = Bun.hash.crc32(tail.subarray(0, Tail.checksum));
  if (view.getUint32(Tail.magic, true) !== tailMagic || view.getUint32(Tail.checksum, true) !== checksum) {
    return null;
  }
  const at = view.getFloat64(Tail.indexAt, true);
  if (!Number.isSafeInteger(at) || at < fileHeadBytes || at + ChunkHead.bytes > size) return null;
  const facts = readChunkHead(readAt(at, ChunkHead.bytes));
  if (facts?.kind !== ChunkKind.index) return null;
  if (at + ChunkHead.bytes + facts.storedBytes + Tail.bytes !== size) return null;
  try {
    return tableFrom(unpack(readPayload(readAt, { at, facts })), at);
  } catch (error) {
    if (!(error instanceof RecordingError)) throw error;
    return null;
  }
}

function tableFrom(index: unknown, indexAt: number): Table | null {
  const { offsets, heads } = (index ?? {}) as Record<string, unknown>;
  if (!(offsets instanceof Uint8Array) || !(heads instanceof Uint8Array)) return null;
  const count = offsets.length / 8;
  if (count > chunksMax || heads.length !== count * ChunkHead.bytes) return null;
  const places = new Float64Array(new Uint8Array(offsets).buffer);
  const chain = new Chain();
  for (let chunk = 0; chunk < count; chunk++) {
    const head = heads.subarray(chunk * ChunkHead.bytes, (chunk + 1) * ChunkHead.bytes);
    const facts = readChunkHead(head);
    if (facts === null || places[chunk] !== chain.end || !chain.add(facts)) return null;
  }
  return chain.end === indexAt ? chain : null;
}

/** Goes over the chunks themselves, as far as they are whole. */
function scan(readAt: ReadAt, size: number): Table {
  const chain = new Chain();
  for (;;) {
    const facts = readChunkHead(readAt(chain.end, ChunkHead.bytes));
    if (facts === null || facts.kind === ChunkKind.index) return chain;
    if (chain.end + ChunkHead.bytes + facts.storedBytes > size || !chain.add(facts)) return chain;
  }
}

/** Chunks that follow each other without a gap. */
class Chain implements Table {
  readonly found: Found[] = [];
  end = fileHeadBytes;
  private entries = 0;

  /** Returns false for one that does not follow. */
  add(facts: ChunkFacts): boolean {
    const isNext = facts.number === this.found.length && facts.firstNumber === this.entries;
    if (!isNext || facts.kind === ChunkKind.index || this.found.length === chunksMax) return false;
    this.found.push({ at: this.end, facts });
    this.entries += facts.entries;
    this.end += ChunkHead.bytes + facts.storedBytes;
    return true;
  }
}

/** Throws a {@link RecordingError} where the payload is not what its head says. */
function readPayload(readAt: ReadAt, { at, facts }: Found): Uint8Array {
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

/** Adds to what is wrong which chunk it is. */
function explained<T>(found: Found, run: () => T): T {
  try {
    return run();
  } catch (error) {
    if (!(error instanceof RecordingError)) throw error;
    const place = `chunk ${found.facts.number} at byte ${found.at}`;
    throw new RecordingError(`${place} ${error.message}`, { cause: error });
  }
}
