// A queue's end of the ring of bytes that the recorder empties. It is one producer, the recorder one consumer; what finds no
// room waits for the disk, but never for long: then the recording is given up, and the guest goes on.

import { asPointer, libc } from "../../ffi/libc.ts";
import type { NativeMemory } from "../../transport/os/native-memory.ts";
import { GaveUp, RingEntry, RingHead, Rings } from "../recorder/manifest.ts";
import { MonotonicClock } from "../../transport/os/monotonic-clock.ts";
import { pauseMs } from "../../transport/os/clock.ts";

/** Guest memory that has to be copied piece by piece. */
export interface GuestBytes {
  readonly length: number;
  /** Copies to a native address; returns false where some of it is no guest memory. */
  copyTo(offset: number, destination: number, length: number): boolean;
}

const windowNs = 1e9;
const headBytes = RingEntry.words * 4;

export class RecordRing {
  /** Whether nothing is written any more. */
  isOver = false;
  /** Bytes so far, modulo 2^32. */
  written: number;

  private readonly clock = new MonotonicClock();
  private readonly shared: Int32Array;
  private readonly head: Int32Array;
  private readonly words: Uint32Array;
  private readonly doubles: Float64Array;
  private readonly address: number;
  private readonly mask: number;
  private taken: number;
  private windowEnd = 0;
  private waitedNs = 0;

  /** `memory` is the area "recording", `bytes` a power of two. Of any second the queue waits for `waitMs` at most. */
  constructor(
    private readonly memory: NativeMemory,
    queue: 0 | 1,
    private readonly bytes: number,
    public waitMs: number,
  ) {
    this.shared = new Int32Array(memory.view(0, 4096));
    this.head = new Int32Array(memory.view(Rings.headAt[queue], 128));
    this.words = new Uint32Array(memory.view(Rings.ringAt[queue], bytes));
    this.doubles = new Float64Array(memory.view(Rings.ringAt[queue], bytes));
    this.address = memory.address + Rings.ringAt[queue];
    this.mask = bytes - 1;
    this.written = this.head[RingHead.written]! >>> 0;
    this.taken = this.head[RingHead.taken]! >>> 0;
  }

  /** Begins an entry, of which `bodyBytes` are put next. */
  begin(kind: number, bodyBytes: number, a = 0, b = 0, c = 0, d = 0, e = 0, f = 0): void {
    if (!this.waitFor(headBytes)) return;
    const { words, mask, written } = this;
    const order = Atomics.add(this.shared, Rings.nextOrder, 1);
    words[(written & mask) >>> 2] = kind;
    words[((written + 4) & mask) >>> 2] = bodyBytes;
    words[((written + 8) & mask) >>> 2] = order;
    words[((written + 12) & mask) >>> 2] = a;
    words[((written + 16) & mask) >>> 2] = b;
    words[((written + 20) & mask) >>> 2] = c;
    words[((written + 24) & mask) >>> 2] = d;
    words[((written + 28) & mask) >>> 2] = e;
    words[((written + 32) & mask) >>> 2] = f;
    this.doubles[((written + RingEntry.time * 4) & mask) >>> 3] = this.clock.now();
    this.written = (written + headBytes) >>> 0;
  }

  /** Puts `length` bytes from native `address` on. */
  put(address: number, length: number): void {
    for (let from = address, left = length; left > 0;) {
      const count = this.piece(left);
      if (count === 0) return;
      libc.memcpy(asPointer(this.address + (this.written & this.mask)), asPointer(from), count);
      this.written = (this.written + count) >>> 0;
      from += count;
      left -= count;
    }
  }

  /** Puts `length` bytes from byte `offset` of a backing on. Returns false where some of it is no guest memory. */
  putGuest(backing: GuestBytes, offset: number, length: number): boolean {
    let isWhole = true;
    for (let from = offset, left = length; left > 0;) {
      const count = this.piece(left);
      if (count === 0) return isWhole;
      if (!backing.copyTo(from, this.address + (this.written & this.mask), count)) isWhole = false;
      this.written = (this.written + count) >>> 0;
      from += count;
      left -= count;
    }
    return isWhole;
  }

  /** Puts one word of an entry, of which only words are put. */
  putWord(value: number): void {
    if (!this.waitFor(4)) return;
    this.words[(this.written & this.mask) >>> 2] = value;
    this.written = (this.written + 4) >>> 0;
  }

  /** Ends the entry: the recorder may take it. */
  end(): void {
    const rest = -this.written & 7;
    if (rest !== 0 && !this.waitFor(rest)) return;
    this.written = (this.written + rest) >>> 0;
    this.publish();
  }

  /** Bytes for which there is room now. */
  room(): number {
    this.taken = Atomics.load(this.head, RingHead.taken) >>> 0;
    return this.bytes - ((this.written - this.taken) >>> 0);
  }

  close(): void {
    this.isOver = true;
    this.clock.close();
    this.memory.unmap();
  }

  private publish(): void {
    Atomics.store(this.head, RingHead.written, this.written | 0);
  }

  /** How many of `left` bytes can be put in one piece, after a wait where there is no room; 0 once this is over. */
  private piece(left: number): number {
    if (!this.waitFor(1)) return 0;
    const room = this.bytes - ((this.written - this.taken) >>> 0);
    return Math.min(left, room, this.bytes - (this.written & this.mask));
  }

  private waitFor(bytes: number): boolean {
    if (this.isOver) return false;
    if (this.bytes - ((this.written - this.taken) >>> 0) >= bytes || this.room() >= bytes) return true;
    // The recorder empties what it sees, of an entry that is not whole too.
    this.publish();
    return this.waitLong(bytes);
  }

  private waitLong(bytes: number): boolean {
    let before = this.clock.now();
    if (before >= this.windowEnd) {
      this.windowEnd = before + windowNs;
      this.waitedNs = 0;
    }
    while (this.waitedNs < this.waitMs * 1e6) {
      pauseMs(1);
      const now = this.clock.now();
      this.waitedNs += now - before;
      before = now;
      if (this.room() >= bytes) return true;
    }
    Atomics.store(this.head, RingHead.gaveUp, GaveUp.tooSlow);
    this.isOver = true;
    return false;
  }
}
