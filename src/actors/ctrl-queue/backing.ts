// The guest pages behind a resource: a scatter list that transfers copy from.
// virtio 1.3 §5.7.6.8 RESOURCE_ATTACH_BACKING.

import { asPointer, libc } from "../../ffi/libc.ts";
import type { MemoryMap } from "../../transport/memory-map.ts";
import { MemoryEntry } from "../../transport/virtio-gpu/protocol.ts";

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
    /** Where each run begins in guest memory. */
    private readonly guests: Float64Array,
    /** Where each run begins in the backing; the last is the length of all. */
    private readonly starts: Float64Array,
  ) {}

  /** Reads `count` entries from `words` at byte `offset`. Answers null when one lies outside of guest memory. */
  static read(memory: MemoryMap, words: Uint32Array, offset: number, count: number): Backing | null {
    reserve(count);
    const guests = scratchGuests;
    const starts = scratchStarts;
    let runs = 0;
    let end = 0;
    let follows = -1;
    // The region of the entry before, which is nearly always that of the next one.
    let from = 0;
    let to = 0;
    const first = offset >>> 2;
    const past = first + count * (MemoryEntry.bytes / 4);
    for (let at = first; at < past; at += MemoryEntry.bytes / 4) {
      const length = words[at + 2]!;
      if (length === 0) continue;
      // Above 2^53 no address is exact, and no guest has memory there.
      const high = words[at + 1]!;
      if (high >= 0x20_0000) return null;
      const guest = high * 2 ** 32 + words[at]!;
      if (guest < from || guest + length > to) {
        if (!memory.holds(guest, length)) return null;
        const region = memory.regionAt(guest)!;
        from = region.start;
        to = region.end;
      }
      if (guest !== follows) {
        guests[runs] = guest;
        starts[runs] = end;
        runs++;
      }
      end += length;
      follows = guest + length;
    }
    starts[runs] = end;
    return new Backing(memory, guests.slice(0, runs), starts.slice(0, runs + 1));
  }

  /** Bytes of backing. */
  get length(): number {
    return this.starts[this.runCount]!;
  }

  get runCount(): number {
    return this.guests.length;
  }

  /**
   * Copies `length` bytes from byte `offset` of the backing to native `destination`. The range must lie within
   * {@link length}. Answers false, with a part copied, when some of it is no longer guest memory.
   */
  copyTo(offset: number, destination: number, length: number): boolean {
    const { memory, guests, starts } = this;
    let run = this.find(offset);
    let left = length;
    let from = offset;
    let to = destination;
    while (left > 0) {
      if (from === starts[run + 1]) run++;
      const host = memory.translate(guests[run]! + (from - starts[run]!));
      if (host === 0) return false;
      const bytes = Math.min(left, starts[run + 1]! - from, memory.contiguous, copyBytesMax);
      libc.memcpy(asPointer(to), asPointer(host), bytes);
      from += bytes;
      to += bytes;
      left -= bytes;
    }
    this.last = run;
    return true;
  }

  /** How many pieces of host memory the runs are now, or -1 where some of one is no longer guest memory. */
  countPieces(): number {
    return this.eachPiece(null);
  }

  /** Writes every piece as a struct iovec: four words each, host address and length in 64 bits. */
  writeIovecs(words: Uint32Array): void {
    this.eachPiece(words);
  }

  /** Records that the device wrote all of the backing. */
  wrote(): void {
    if (this.memory.dirtyLog === null) return;
    for (let run = 0; run < this.runCount; run++) {
      this.memory.wrote(this.guests[run]!, this.starts[run + 1]! - this.starts[run]!);
    }
  }

  private eachPiece(words: Uint32Array | null): number {
    const { memory, guests, starts } = this;
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
    const { starts, last } = this;
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

/** Where runs are gathered before their number is known. */
let scratchGuests = new Float64Array(0);
let scratchStarts = new Float64Array(1);

function reserve(runs: number): void {
  if (scratchGuests.length >= runs) return;
  scratchGuests = new Float64Array(runs);
  scratchStarts = new Float64Array(runs + 1);
}
