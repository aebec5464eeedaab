// Writes a recording: gathers entries to chunks, packs them, and puts an index behind them.

import { writeChunkHead } from "./chunk-head.ts";
import { Columns } from "./columns.ts";
import { pack } from "./plain-msgpack.ts";
import type { Details, End, Start } from "./details.ts";
import { EntryKind } from "./entries.ts";
import {
  ChunkHead,
  ChunkKind,
  chunksMax,
  Encoding,
  fileHeadBytes,
  fileMagic,
  Tail,
  tailMagic,
  version,
} from "./layout.ts";
import { Packer } from "./packer.ts";

/** A chunk is closed when its bodies are so many bytes: what a crash may cost, and what a seek has to unpack. */
const chunkBytes = 1024 * 1024;
/** Times in a chunk are u32. */
const chunkNsMax = 4e9;
const none: ArrayLike<number> = [];

/** Puts all of these bytes at the end of the file, or throws with the file as it was. */
export type Append = (bytes: Uint8Array) => void;

export class RecordingWriter {
  /** Bytes in the file, and bytes of entries since the last keyframe began. */
  fileBytes = 0;
  bytesSinceKeyframe = 0;
  /** Entries so far. */
  entries = 0;
  /** Whether whoever makes entries would soon have to wait for them to be written. */
  isHurried = false;

  private readonly columns = new Columns(2 * chunkBytes);
  private readonly packer: Packer;
  private readonly heads: Uint8Array[] = [];
  private readonly offsets: number[] = [];
  private kind: number = ChunkKind.stream;
  private firstTime = 0;
  private commands = 0;
  private frames = 0;

  /** Begins a file, which is empty, with `start` in a chunk of its own. `level` is zstd's. */
  constructor(
    private readonly append: Append,
    start: Start,
    level = 1,
  ) {
    this.packer = new Packer(level);
    const head = new Uint8Array(fileHeadBytes);
    head.set(new TextEncoder().encode(fileMagic));
    new DataView(head.buffer).setUint16(fileMagic.length, version, true);
    this.put(head);
    this.addDetails("start", 0, start);
    this.flush();
  }

  /** Whether there may be no further chunks but the last. */
  get isFull(): boolean {
    return this.heads.length >= chunksMax - 2;
  }

  /**
   * Adds an entry of nanosecond `time`, which does not go back; its body of `bodyBytes` is to be put into what is returned,
   * at once.
   */
  add(kind: number, time: number, numbers: ArrayLike<number>, bodyBytes: number): Uint8Array {
    this.begin(kind, time, numbers, bodyBytes);
    const { end, bodies } = this.columns;
    return bodies.subarray(end - bodyBytes, end);
  }

  /** As {@link add}; the body goes where {@link bodies} ends at {@link bodiesEnd}, before anything else is added. */
  begin(kind: number, time: number, numbers: ArrayLike<number>, bodyBytes: number): void {
    const { columns } = this;
    if (kind === EntryKind.keyframe) this.beginKeyframe();
    const isLong = columns.bodyBytes + bodyBytes > chunkBytes && columns.count > 0;
    if (columns.isFull || isLong || time - this.firstTime > chunkNsMax) this.flush();
    if (columns.count === 0) this.firstTime = Math.max(this.firstTime, time);
    if (kind === EntryKind.command) this.commands++;
    if (kind === EntryKind.frame) this.frames++;
    this.entries++;
    this.bytesSinceKeyframe += bodyBytes;
    columns.add(kind, Math.max(0, time - this.firstTime), numbers, bodyBytes);
    // It has no body that could be lost.
    if (kind === EntryKind.keyframeEnd) this.endKeyframe();
  }

  get bodies(): Uint8Array {
    return this.columns.bodies;
  }

  get bodiesEnd(): number {
    return this.columns.end;
  }

  /** Adds an entry whose body tells `details`. */
  addDetails<Name extends keyof Details>(kind: Name, time: number, details: Details[Name]): void {
    const body = pack(details);
    this.add(EntryKind[kind], time, none, body.length).set(body);
  }

  /** Takes back the entry that was added last, which is in no chunk yet. */
  takeBack(): void {
    const { columns } = this;
    const kind = columns.takeBack();
    this.entries--;
    if (kind === EntryKind.command) this.commands--;
    if (kind === EntryKind.frame) this.frames--;
  }

  /** Writes what was gathered, if anything. Where that throws, it is lost, and the recording can still be ended. */
  flush(): void {
    const { columns } = this;
    if (columns.count === 0) return;
    const { count } = columns;
    const { commands, frames, firstTime } = this;
    const chunk = columns.pack();
    columns.clear();
    this.commands = this.frames = 0;
    const counts = { entries: count, commands, frames, firstTime, firstNumber: this.entries - count };
    this.entries -= count;
    this.putChunk(this.kind, chunk, counts);
    this.entries += count;
    if (this.kind === ChunkKind.keyframe) this.kind = ChunkKind.keyframeRest;
  }

  /** Ends the recording with its index. */
  end(time: number, details: End): void {
    this.addDetails("end", time, details);
    this.flush();
    const indexAt = this.fileBytes;
    const offsets = new Float64Array(this.offsets);
    const index = pack({ offsets: new Uint8Array(offsets.buffer), heads: Buffer.concat(this.heads) });
    const chunk = new Uint8Array(ChunkHead.bytes + index.length);
    chunk.set(index, ChunkHead.bytes);
    this.putChunk(ChunkKind.index, chunk, {
      entries: 0,
      commands: 0,
      frames: 0,
      firstTime: time,
      firstNumber: this.entries,
    });
    const tail = new DataView(new ArrayBuffer(Tail.bytes));
    tail.setFloat64(Tail.indexAt, indexAt, true);
    tail.setUint32(Tail.magic, tailMagic, true);
    tail.setUint32(Tail.checksum, Bun.hash.crc32(new Uint8Array(tail.buffer, 0, Tail.checksum)), true);
    this.put(new Uint8Array(tail.buffer));
  }

  private beginKeyframe(): void {
    this.flush();
    this.kind = ChunkKind.keyframe;
    this.bytesSinceKeyframe = 0;
  }

  private endKeyframe(): void {
    this.flush();
    this.kind = ChunkKind.stream;
  }

  /** Writes a chunk of which `bytes` holds all but the head, for which it has room. */
  private putChunk(
    kind: number,
    bytes: Uint8Array<ArrayBuffer>,
    counts: { entries: number; commands: number; frames: number; firstTime: number; firstNumber: number },
  ): void {
    const plain = bytes.subarray(ChunkHead.bytes);
    this.packer.store(plain, this.isHurried, (stored, isPacked) => {
      const head = writeChunkHead({
        kind,
        storedBytes: stored.length,
        plainBytes: plain.length,
        checksum: Bun.hash.crc32(stored as Uint8Array<ArrayBuffer>),
        encoding: isPacked ? Encoding.zstd : Encoding.plain,
        number: this.heads.length,
        ...counts,
      });
      const at = this.fileBytes;
      bytes.set(head);
      this.put(isPacked ? Buffer.concat([head, stored]) : bytes);
      this.heads.push(head);
      this.offsets.push(at);
    });
  }

  private put(bytes: Uint8Array): void {
    this.append(bytes);
    this.fileBytes += bytes.length;
  }
}
