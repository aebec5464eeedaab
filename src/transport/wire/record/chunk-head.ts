// A chunk's head in bytes, and what it says.

import { ChunkHead, chunkMagic, ChunkKind, Encoding, entriesMax, plainBytesMax } from "./layout.ts";

/** Without what can be counted again. */
export interface ChunkFacts {
  readonly kind: number;
  readonly storedBytes: number;
  readonly plainBytes: number;
  readonly checksum: number;
  readonly entries: number;
  readonly commands: number;
  readonly frames: number;
  readonly firstNumber: number;
  readonly firstTime: number;
  readonly encoding: number;
  readonly number: number;
}

const words = ["kind", "storedBytes", "plainBytes", "checksum", "entries", "commands", "frames"] as const;

export function writeChunkHead(facts: ChunkFacts): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(ChunkHead.bytes);
  const view = new DataView(bytes.buffer);
  view.setUint32(ChunkHead.magic, chunkMagic, true);
  for (const name of [...words, "encoding", "number"] as const)
    view.setUint32(ChunkHead[name], facts[name], true);
  view.setFloat64(ChunkHead.firstNumber, facts.firstNumber, true);
  view.setFloat64(ChunkHead.firstTime, facts.firstTime, true);
  view.setUint32(ChunkHead.headChecksum, headChecksum(bytes), true);
  return bytes;
}

/** Returns null where these bytes are no chunk's head. */
export function readChunkHead(bytes: Uint8Array): ChunkFacts | null {
  if (bytes.length < ChunkHead.bytes) return null;
  const view = new DataView(bytes.buffer, bytes.byteOffset, ChunkHead.bytes);
  const u32 = (offset: number): number => view.getUint32(offset, true);
  if (u32(ChunkHead.magic) !== chunkMagic || u32(ChunkHead.headChecksum) !== headChecksum(bytes)) return null;
  const facts = {
    kind: u32(ChunkHead.kind),
    storedBytes: u32(ChunkHead.storedBytes),
    plainBytes: u32(ChunkHead.plainBytes),
    checksum: u32(ChunkHead.checksum),
    entries: u32(ChunkHead.entries),
    commands: u32(ChunkHead.commands),
    frames: u32(ChunkHead.frames),
    firstNumber: view.getFloat64(ChunkHead.firstNumber, true),
    firstTime: view.getFloat64(ChunkHead.firstTime, true),
    encoding: u32(ChunkHead.encoding),
    number: u32(ChunkHead.number),
  };
  return isPossible(facts) ? facts : null;
}

const headChecksum = (bytes: Uint8Array): number => Bun.hash.crc32(bytes.subarray(0, ChunkHead.headChecksum));

/** Whatever a checksum says: nothing is read for a head that asks for too much. */
function isPossible(facts: ChunkFacts): boolean {
  const { kind, storedBytes, plainBytes, entries, commands, frames, encoding } = facts;
  const isPlain = encoding === Encoding.plain && storedBytes === plainBytes;
  return (
    kind <= ChunkKind.index &&
    (isPlain || encoding === Encoding.zstd) &&
    plainBytes <= plainBytesMax &&
    storedBytes <= plainBytesMax &&
    entries <= entriesMax &&
    commands + frames <= entries &&
    entries > 0 === (kind !== ChunkKind.index) &&
    Number.isSafeInteger(facts.firstNumber) &&
    facts.firstNumber >= 0 &&
    facts.firstTime >= 0 &&
    Number.isFinite(facts.firstTime)
  );
}
