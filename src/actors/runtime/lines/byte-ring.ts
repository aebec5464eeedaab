// One direction of a line between processes: a ring of bytes with one writer and one reader, in memory that both map.
//
// A record is two words, how many bytes and a word of the caller's, and the bytes, padded to whole records. Each side keeps
// its own index to itself and only shows it, since the other process may write anything anywhere here.

import { LineError } from "./line.ts";

const headBytes = 4096;
export const ringDataBytes = 64 * 1024;
export const ringBytes = headBytes + ringDataBytes;
const recordHeadBytes = 8;
const mask = ringDataBytes - 1;
/** A longer record goes in pieces; a piece that is shorter than this and not the last is not worth its wake-up. */
const pieceBytesMin = 256;

/** Words of the head, those of each side in a cache line of their own. */
const Head = {
  /** Bytes written so far, modulo 2^32. */
  written: 0,
  /** Whether the writer waits for room. */
  wanted: 1,
  /** Bytes taken so far, modulo 2^32. */
  taken: 16,
} as const;

const padded = (bytes: number): number => (bytes + recordHeadBytes - 1) & -recordHeadBytes;

class RingSide {
  protected readonly head: Int32Array;
  protected readonly data: Uint8Array;
  protected readonly words: Uint32Array;

  /** `memory` is {@link ringBytes} long. */
  constructor(memory: ArrayBuffer) {
    this.head = new Int32Array(memory, 0, headBytes / 4);
    this.data = new Uint8Array(memory, headBytes);
    this.words = new Uint32Array(memory, headBytes);
  }
}

export class RingWriter extends RingSide {
  private written = 0;

  /** How many of `bytes` a record may have now; 0 where it is better to wait. */
  room(bytes: number): number {
    const used = (this.written - Atomics.load(this.head, Head.taken)) >>> 0;
    if (used > ringDataBytes || (used & (recordHeadBytes - 1)) !== 0)
      throw new LineError("has said that it took what was not there");
    const most = ringDataBytes - used - recordHeadBytes;
    if (bytes <= most) return bytes;
    return most < pieceBytesMin ? 0 : most;
  }

  /** Writes a record of `bytes` from `from` to `to`, for which there is {@link room}. */
  write(bytes: Uint8Array, from: number, to: number, word: number): void {
    const length = to - from;
    const at = this.written & mask;
    this.words[at >>> 2] = length;
    this.words[(at >>> 2) + 1] = word;
    const start = (at + recordHeadBytes) & mask;
    const first = Math.min(length, ringDataBytes - start);
    this.data.set(bytes.subarray(from, from + first), start);
    if (first < length) this.data.set(bytes.subarray(from + first, to), 0);
    this.written = (this.written + recordHeadBytes + padded(length)) | 0;
    Atomics.store(this.head, Head.written, this.written);
  }

  /** Wants to be rung when the reader has taken all; there may be room before that is seen, so look once more. */
  want(): void {
    Atomics.store(this.head, Head.wanted, 1);
  }
}

export class RingReader extends RingSide {
  private taken = 0;
  /** Of the record that was read last. */
  word = 0;

  /** Copies the next record into `to`, which has room for a whole ring. Returns its bytes; -1 where there is none. */
  read(to: Uint8Array): number {
    const filled = (Atomics.load(this.head, Head.written) - this.taken) >>> 0;
    if (filled === 0) return -1;
    const at = this.taken & mask;
    // Copied once, like all that another process can change.
    const length = this.words[at >>> 2]!;
    this.word = this.words[(at >>> 2) + 1]!;
    const whole = recordHeadBytes + padded(length);
    const isSound = length > 0 && length <= ringDataBytes - recordHeadBytes && whole <= filled;
    if (!isSound || filled > ringDataBytes) throw new LineError("has written beyond its ring");
    const start = (at + recordHeadBytes) & mask;
    const first = Math.min(length, ringDataBytes - start);
    to.set(this.data.subarray(start, start + first), 0);
    if (first < length) to.set(this.data.subarray(0, length - first), first);
    this.taken = (this.taken + whole) | 0;
    Atomics.store(this.head, Head.taken, this.taken);
    return length;
  }

  /** Whether the writer wants to be rung, now that all is taken; it is told once. */
  isWanted(): boolean {
    return Atomics.load(this.head, Head.wanted) !== 0 && Atomics.exchange(this.head, Head.wanted, 0) !== 0;
  }
}
