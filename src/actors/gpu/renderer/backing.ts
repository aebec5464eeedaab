// The guest pages behind a resource: a scatter list that transfers copy from.
// virtio 1.3 §5.7.6.8 RESOURCE_ATTACH_BACKING.

import { read } from "bun:ffi";
import { asPointer, libc } from "../../../ffi/libc.ts";
import type { GuestSpan, MemoryMap } from "../../../transport/virtio/memory-map.ts";
import { windowMask } from "../../../transport/virtio/memory-windows.ts";
import { MemoryEntry } from "../../../transport/wire/virtio-gpu/protocol.ts";

/** A memcpy's length is a u32. */
const copyBytesMax = 0x8000_0000;

/**
 * Runs of guest memory in the order of the entries; entries that follow each other in guest memory are one run. Runs are
 * guest addresses, which stay true when the memory map changes.
 */
export class Backing {
  private last = 0;

  private constructor(
    private readonly memory: MemoryMap,
    private readonly runs: Runs,
    readonly runCount: number,
  ) {}

  /** Reads `count` entries from `words` at byte `offset`. Returns null when one lies outside of guest memory. */
  static read(memory: MemoryMap, words: Uint32Array, offset: number, count: number): Backing | null {
    const runs = Runs.take(count);
    const { guests, starts } = runs;
    const { from, to, bases, count: windows } = memory.windows;
    let run = 0;
    let end = 0;
    let follows = -1;
    const first = offset >>> 2;
    const past = first + count * (MemoryEntry.bytes / 4);
    for (let at = first; at < past; at += MemoryEntry.bytes / 4) {
      // Signed, so that nearly all of this is integers: what is negative takes the long way.
      let length = words[at + 2]! | 0;
      const low = words[at]! | 0;
      const high = words[at + 1]! | 0;
      const start = low & windowMask;
      const window = (high << 2) | (low >>> 30);
      let guest: number;
      if (
        high >= 0 &&
        high < windows >>> 2 &&
        length > 0 &&
        start >= from[window]! &&
        length <= to[window]! - start
      ) {
        guest = bases[window]! + start;
      } else {
        if (length === 0) continue;
        length >>>= 0;
        guest = addressOf(low, high);
        if (!memory.holds(guest, length)) return runs.refuse();
      }
      if (guest !== follows) {
        guests[run] = guest;
        starts[run] = end;
        run++;
      }
      end += length;
      follows = guest + length;
    }
    starts[run] = end;
    return new Backing(memory, runs.fit(run), run);
  }

  /** Bytes of backing. */
  get length(): number {
    return this.runs.starts[this.runCount]!;
  }

  /** Whether the VMM wants to know what is written. */
  get isLogged(): boolean {
    return this.memory.dirtyLog !== null;
  }

  /** The backing is no longer used. */
  free(): void {
    this.runs.give();
  }

  /**
   * Copies `length` bytes from byte `offset` of the backing to native `destination`. The range must lie within
   * {@link length}. Returns false, with a part copied, when some of it is no longer guest memory.
   */
  copyTo(offset: number, destination: number, length: number): boolean {
    return this.walk(offset, destination, length, true);
  }

  /** Whether these bytes of the backing are what lies at native `address`; what is no longer guest memory is not. */
  equals(offset: number, address: number, length: number): boolean {
    return this.walk(offset, address, length, false);
  }

  /** Where a run lies in guest memory, and its length in bytes. */
  guestOf(run: number): number {
    return this.runs.guests[run]!;
  }

  bytesOf(run: number): number {
    return this.runs.starts[run + 1]! - this.runs.starts[run]!;
  }

  /**
   * Where `length` bytes from byte `from` lie in what the VMM shares: of each piece the descriptor, which stays the memory map's,
   * the byte of its file, and its bytes. null where they are more pieces than `countMax`, or some cannot be mapped elsewhere.
   */
  placesOf(from: number, length: number, countMax: number): number[] | null {
    const { memory } = this;
    const { guests, starts } = this.runs;
    const places: number[] = [];
    const end = Math.min(from + length, this.length);
    let run = this.find(from);
    for (let at = from; at < end;) {
      if (at === starts[run + 1]) run++;
      const place = memory.fileOf(guests[run]! + (at - starts[run]!));
      if (place === null || places.length >= countMax * 3) return null;
      const bytes = Math.min(end - at, starts[run + 1]! - at, place.bytes);
      places.push(place.fd, place.offset, bytes);
      at += bytes;
    }
    return places;
  }

  /** How many pieces of host memory the runs are now, or -1 where some of one is no longer guest memory. */
  countPieces(): number {
    return this.eachPiece(null);
  }

  /** Bytes of the first piece of host memory, 0 where there is none. The backing is not empty. */
  firstPieceBytes(): number {
    const { memory, runs } = this;
    return memory.translate(runs.guests[0]!) === 0 ? 0 : Math.min(runs.starts[1]!, memory.contiguous);
  }

  /** The first word, or 0 where that is no guest memory. The backing is not empty. */
  firstWord(): number {
    const host = this.memory.translateRange(this.runs.guests[0]!, 4);
    return host === 0 ? 0 : read.u32(asPointer(host));
  }

  /** Writes every piece as a struct iovec: four words each, host address and length in 64 bits. */
  writeIovecs(words: Uint32Array): void {
    this.eachPiece(words);
  }

  /** Whether any of it lies in one of `spans`. */
  touches(spans: readonly GuestSpan[]): boolean {
    const { guests, starts } = this.runs;
    for (const { start, end } of spans) {
      for (let run = 0; run < this.runCount; run++) {
        const guest = guests[run]!;
        if (guest < end && guest + (starts[run + 1]! - starts[run]!) > start) return true;
      }
    }
    return false;
  }

  /** Records that the device wrote `length` bytes from byte `offset`, as far as the backing goes. */
  wrote(offset: number, length: number): void {
    if (this.memory.dirtyLog === null) return;
    const { guests, starts } = this.runs;
    const end = Math.min(offset + length, this.length);
    let from = offset;
    for (let run = this.find(offset); from < end; run++) {
      const bytes = Math.min(end, starts[run + 1]!) - from;
      this.memory.wrote(guests[run]! + (from - starts[run]!), bytes);
      from += bytes;
    }
  }

  /** Copies, or compares up to the first piece that is not the same. */
  private walk(offset: number, native: number, length: number, isCopy: boolean): boolean {
    const { memory } = this;
    const { guests, starts } = this.runs;
    let run = this.find(offset);
    let left = length;
    let from = offset;
    let to = native;
    while (left > 0) {
      if (from === starts[run + 1]) run++;
      const host = memory.translate(guests[run]! + (from - starts[run]!));
      if (host === 0) return false;
      const bytes = Math.min(left, starts[run + 1]! - from, memory.contiguous, copyBytesMax);
      if (isCopy) libc.memcpy(asPointer(to), asPointer(host), bytes);
      else if (libc.memcmp(asPointer(to), asPointer(host), bytes) !== 0) return false;
      from += bytes;
      to += bytes;
      left -= bytes;
    }
    this.last = run;
    return true;
  }

  private eachPiece(words: Uint32Array | null): number {
    const { memory } = this;
    const { guests, starts } = this.runs;
    let pieces = 0;
    for (let run = 0; run < this.runCount; run++) {
      let guest = guests[run]!;
      for (let left = starts[run + 1]! - starts[run]!; left > 0; pieces++) {
        const host = memory.translate(guest);
        if (host === 0) return -1;
        const bytes = Math.min(left, memory.contiguous);
        if (words !== null) {
          words[pieces * 4] = host;
          words[pieces * 4 + 1] = Math.floor(host / 2 ** 32);
          words[pieces * 4 + 2] = bytes;
          words[pieces * 4 + 3] = Math.floor(bytes / 2 ** 32);
        }
        guest += bytes;
        left -= bytes;
      }
    }
    return pieces;
  }

  /** The run that holds byte `offset`. */
  private find(offset: number): number {
    const { last } = this;
    const { starts } = this.runs;
    if (offset >= starts[last]! && offset < starts[last + 1]!) return last;
    if (last + 2 <= this.runCount && offset === starts[last + 1]!) return last + 1;
    let low = 0;
    let high = this.runCount - 1;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if (starts[middle]! <= offset) low = middle;
      else high = middle - 1;
    }
    return low;
  }
}

/** Of two words. Above 2^53 no address is exact, but no guest has memory there, and what is rounded stays there. */
const addressOf = (low: number, high: number): number => (high >>> 0) * 2 ** 32 + (low >>> 0);

/** Room for runs, used again for later backings: a guest that attaches all the time makes no garbage. */
class Runs {
  /** Runs in all that are kept, of 16 bytes each. */
  private static readonly keptMax = 64 * 1024;
  /** Rooms that are free, by the logarithm of their capacity. */
  private static readonly free: Runs[][] = Array.from({ length: 32 }, () => []);
  private static kept = 0;

  /** Where each run begins in guest memory. */
  readonly guests: Float64Array;
  /** Where each run begins in the backing; the one after the last is the length of all. */
  readonly starts: Float64Array;

  private constructor(private readonly size: number) {
    this.guests = new Float64Array(this.capacity);
    this.starts = new Float64Array(this.capacity + 1);
  }

  /** Room for `count` runs at least. */
  static take(count: number): Runs {
    const size = 32 - Math.clz32(Math.max(count, 1) - 1);
    const used = Runs.free[size]!.pop();
    if (used === undefined) return new Runs(size);
    Runs.kept -= used.capacity;
    return used;
  }

  give(): void {
    if (Runs.kept + this.capacity > Runs.keptMax) return;
    Runs.kept += this.capacity;
    Runs.free[this.size]!.push(this);
  }

  /** Gives the room back; returns what a refused list is read as. */
  refuse(): null {
    this.give();
    return null;
  }

  /** The same `count` runs in a smaller room, where most of this one would be wasted. */
  fit(count: number): Runs {
    if (count * 4 > this.capacity) return this;
    const smaller = Runs.take(count);
    smaller.guests.set(this.guests.subarray(0, count));
    smaller.starts.set(this.starts.subarray(0, count + 1));
    this.give();
    return smaller;
  }

  private get capacity(): number {
    return 2 ** this.size;
  }
}
