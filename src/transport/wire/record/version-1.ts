// Reads recordings of version 1. A later version has a reader of its own beside this one.

import { Chain, readEntries, readPayload } from "./chain.ts";
import { readChunkHead } from "./chunk-head.ts";
import { detailsOf, type Start } from "./details.ts";
import type { Entry } from "./entries.ts";
import { ChunkHead, ChunkKind, chunksMax, fileHeadBytes, Tail, tailMagic } from "./layout.ts";
import { unpack } from "./plain-msgpack.ts";
import type { ChunkInfo, Ending, ReadAt, Recording } from "./recording.ts";
import { RecordingError } from "./recording-error.ts";

/** `readAt` reads the file of `size` bytes; `close` is called when nobody reads any more. */
export function openVersion1(readAt: ReadAt, size: number, close: () => void, version = 1): Recording {
  const chain = readIndex(readAt, size) ?? scan(readAt, size);
  if (chain.found.length === 0) throw new RecordingError("this recording holds no whole chunk");
  return new Version1(readAt, chain, close, version);
}

/** Of chunks that are known. */
export class Version1 implements Recording {
  readonly start: Start;
  ending: Ending;

  constructor(
    private readonly readAt: ReadAt,
    protected readonly chain: Chain,
    readonly close: () => void,
    readonly version: number,
  ) {
    const [first] = this.read(0);
    if (first?.kind !== "start") throw new RecordingError("this recording has no start");
    this.start = detailsOf(first);
    this.ending = this.findEnding();
  }

  get chunks(): readonly ChunkInfo[] {
    return this.chain.chunks;
  }

  /** No more chunks come. */
  get isWhole(): boolean {
    return true;
  }

  read(chunk: number): Entry[] {
    const found = this.chain.found[chunk];
    if (found === undefined) throw new RangeError(`there is no chunk ${chunk}`);
    return readEntries(this.readAt, found);
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

  protected findEnding(): Ending {
    const cut: Ending = { reason: "cut", text: "the file ends here", at: this.chain.end };
    try {
      const last = this.read(this.chunks.length - 1).at(-1);
      return last?.kind === "end" ? detailsOf(last) : cut;
    } catch (error) {
      if (!(error instanceof RecordingError)) throw error;
      return { ...cut, text: error.message };
    }
  }
}

/** What the index at the end of the file says; null where there is none, or it makes no sense. */
function readIndex(readAt: ReadAt, size: number): Chain | null {
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

function tableFrom(index: unknown, indexAt: number): Chain | null {
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
function scan(readAt: ReadAt, size: number): Chain {
  const chain = new Chain();
  for (;;) {
    const facts = readChunkHead(readAt(chain.end, ChunkHead.bytes));
    if (facts === null || facts.kind === ChunkKind.index) return chain;
    if (chain.end + ChunkHead.bytes + facts.storedBytes > size || !chain.add(facts)) return chain;
  }
}
