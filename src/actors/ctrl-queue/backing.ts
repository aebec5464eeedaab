// The guest pages behind a resource: a scatter list that transfers copy from.
// virtio 1.3 §5.7.6.8 RESOURCE_ATTACH_BACKING.

import { asPointer, libc } from "../../ffi/libc.ts";
import type { MemoryMap } from "../../transport/memory-map.ts";
import { MemoryEntry } from "../../transport/virtio-gpu/protocol.ts";

/**
 * Runs of guest memory in the order of the entries; entries that follow each other in guest memory are one run,
 * so that a copy over them is one memcpy.
 */
export class Backing {
  /** Runs: guest addresses, host addresses, and where each begins in the backing; the last start is the length. */
  private guests!: Float64Array;
  private hosts!: Float64Array;
  private starts!: Float64Array;
  private runs = 0;
  private generation = 0;
  private last = 0;
  /** Runs at first, which is what counts towards the limit on them. */
  readonly runCount: number;

  private constructor(
    private readonly memory: MemoryMap,
    readonly entryCount: number,
  ) {
    this.takeScratch();
    this.runCount = this.runs;
  }

  /** Reads `count` entries from `words` at byte `offset`. Answers null when one lies outside of guest memory. */
  static read(memory: MemoryMap, words: Uint32Array, offset: number, count: number): Backing | null {
    scratch.reserve(count);
    for (let index = 0; index < count; index++) {
      const at = (offset + index * MemoryEntry.bytes) >>> 2;
      const high = words[at + 1]!;
      const length = words[at + 2]!;
      if (length === 0) continue;
      if (high >= 0x20_0000) return null;
      scratch.add(memory, high * 2 ** 32 + words[at]!, length);
      if (scratch.hasHoles) return null;
    }
    return new Backing(memory, count);
  }

  /** Bytes of backing. */
  get length(): number {
    return this.starts[this.runs]!;
  }

  /**
   * Copies `length` bytes from byte `offset` of the backing to native `destination`. The range must lie within
   * {@link length}. Answers false when some of it is no longer guest memory.
   */
  copyTo(offset: number, destination: number, length: number): boolean {
    if (this.generation !== this.memory.generation) this.resolve();
    let run = this.find(offset);
    let left = length;
    let from = offset;
    let to = destination;
    while (left > 0) {
      const host = this.hosts[run]!;
      if (host === 0) return false;
      const start = this.starts[run]!;
      const room = this.starts[run + 1]! - from;
      const bytes = left <= room ? left : room;
      libc.memcpy(asPointer(to), asPointer(host + (from - start)), bytes);
      from += bytes;
      to += bytes;
      left -= bytes;
      run++;
    }
    this.last = run - 1;
    return true;
  }

  /** Finds the runs again if the memory map has changed. Answers their number, or -1 where one is no guest memory. */
  follow(): number {
    if (this.generation !== this.memory.generation) this.resolve();
    for (let run = 0; run < this.runs; run++) if (this.hosts[run] === 0) return -1;
    return this.runs;
  }

  /** Writes every run as a struct iovec: four words each, host address and length in 64 bits. After {@link follow}. */
  writeIovecs(words: Uint32Array): void {
    const { hosts, starts } = this;
    for (let run = 0; run < this.runs; run++) {
      const host = hosts[run]!;
      const length = starts[run + 1]! - starts[run]!;
      words[run * 4] = host;
      words[run * 4 + 1] = Math.floor(host / 2 ** 32);
      words[run * 4 + 2] = length;
      words[run * 4 + 3] = 0;
    }
  }

  /** Records that the device wrote the whole backing, which it did through {@link writeIovecs}' addresses. */
  wrote(): void {
    if (this.memory.dirtyLog === null) return;
    for (let run = 0; run < this.runs; run++) {
      this.memory.wrote(this.guests[run]!, this.starts[run + 1]! - this.starts[run]!);
    }
  }

  /** The run that holds byte `offset`. */
  private find(offset: number): number {
    const { starts, last } = this;
    if (offset >= starts[last]! && offset < starts[last + 1]!) return last;
    if (last + 2 <= this.runs && offset === starts[last + 1]!) return last + 1;
    let low = 0;
    let high = this.runs - 1;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if (starts[middle]! <= offset) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  /** Finds every run again after the memory map has changed: regions may be gone, moved, split or joined. */
  private resolve(): void {
    const { guests, starts, runs } = this;
    scratch.reserve(runs);
    for (let run = 0; run < runs; run++) {
      scratch.add(this.memory, guests[run]!, starts[run + 1]! - starts[run]!);
    }
    this.takeScratch();
  }

  private takeScratch(): void {
    const { runs } = scratch;
    this.runs = runs;
    this.guests = scratch.guests.slice(0, runs);
    this.hosts = scratch.hosts.slice(0, runs);
    this.starts = scratch.starts.slice(0, runs + 1);
    this.generation = this.memory.generation;
    this.last = 0;
  }
}

/** Where runs are gathered before their number is known. */
class Scratch {
  guests = new Float64Array(0);
  hosts = new Float64Array(0);
  starts = new Float64Array(1);
  runs = 0;
  /** Whether some of what was added is not guest memory; the host address of such a run is 0. */
  hasHoles = false;
  private end = 0;

  reserve(entries: number): void {
    this.runs = 0;
    this.end = 0;
    this.hasHoles = false;
    // An entry that spans memory regions makes several runs; `add` grows further for those.
    if (this.guests.length < entries) this.grow(entries);
  }

  add(memory: MemoryMap, guest: number, length: number): void {
    let address = guest;
    let left = length;
    while (left > 0) {
      const host = memory.translate(address);
      if (host === 0) this.hasHoles = true;
      const bytes = left <= memory.contiguous ? left : memory.contiguous;
      // A memcpy's length is a u32.
      if (!this.follows(address, host) || this.end - this.starts[this.runs - 1]! + bytes > 0xffff_ffff) {
        const { runs } = this;
        if (runs === this.guests.length) this.grow(runs * 2 + 1);
        this.guests[runs] = address;
        this.hosts[runs] = host;
        this.starts[runs] = this.end;
        this.runs++;
      }
      this.end += bytes;
      this.starts[this.runs] = this.end;
      address += bytes;
      left -= bytes;
    }
  }

  /** Whether this is where the last run ends, in the guest and here. */
  private follows(guest: number, host: number): boolean {
    const last = this.runs - 1;
    if (last < 0) return false;
    const length = this.end - this.starts[last]!;
    if (this.guests[last]! + length !== guest) return false;
    return host === 0
      ? this.hosts[last] === 0
      : this.hosts[last] !== 0 && this.hosts[last]! + length === host;
  }

  private grow(runs: number): void {
    const grown = (from: Float64Array, size: number): Float64Array<ArrayBuffer> => {
      const to = new Float64Array(size);
      to.set(from);
      return to;
    };
    this.guests = grown(this.guests, runs);
    this.hosts = grown(this.hosts, runs);
    this.starts = grown(this.starts, runs + 1);
  }
}

const scratch = new Scratch();
