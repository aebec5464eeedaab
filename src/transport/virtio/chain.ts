// One descriptor chain: where its request lies, where its response goes. Reused for every chain of a queue.
//
// The guest owns descriptors and may change them at any time, so each is read once. virtio 1.3 §2.7.5.

import { asPointer, libc } from "../../ffi/libc.ts";
import type { MemoryMap } from "./memory-map.ts";
import { NativeMemory } from "../os/native-memory.ts";
import { Descriptor, DescriptorFlag } from "./layout.ts";

/** Segments of one chain, direct and indirect together. Linux sends more than the queue size when indirect. */
const segmentsMax = 32768;
const anyFlag = DescriptorFlag.NEXT | DescriptorFlag.WRITE | DescriptorFlag.INDIRECT;
/** From here on no address is exact, and no guest has memory there: 2^53, its high word. */
const highMax = 0x20_0000;
/** Of one segment: two addresses and a length, in memory that takes pages when it is first used. */
const rowBytes = 8 + 8 + 4;
const pairBytes = 2 * Descriptor.bytes;

/** What is wrong with a chain; texts for the log. */
export const ChainFault = {
  none: 0,
  loop: 1,
  nextOutOfRange: 2,
  readableAfterWritable: 3,
  unmapped: 4,
  badIndirect: 5,
} as const;

export const chainFaultText: readonly string[] = [
  "is sound",
  "loops or is too long",
  "names a descriptor outside of its table",
  "has a readable descriptor after a writable one",
  "names memory outside of the guest's",
  "has a bad indirect table",
];

export class Chain {
  /** Host addresses, lengths and guest addresses of the segments: readable ones first, then writable ones. */
  private readonly rows = NativeMemory.allocate(segmentsMax * rowBytes);
  private readonly hosts = new Float64Array(this.rows.view(0, segmentsMax * 8));
  private readonly guests = new Float64Array(this.rows.view(segmentsMax * 8, segmentsMax * 8));
  private readonly lengths = new Uint32Array(this.rows.view(segmentsMax * 16));
  private readonly indirect = NativeMemory.allocate(segmentsMax * Descriptor.bytes);
  private readonly indirectWords = new Uint32Array(this.indirect.view());
  private segments = 0;
  private firstWritable = -1;
  /**
   * Whether it is one buffer of request and one for the response, each in one region, as nearly every chain is. They are
   * then here, and not among the segments: arrays cost more than all else that is done with them.
   */
  private isPair = false;
  private source = 0;
  private target = 0;
  private targetGuest = 0;

  head = 0;
  /** Bytes of request and of room for the response. */
  readableBytes = 0;
  writableBytes = 0;
  /** One of {@link ChainFault}; what was found before the fault stays usable. */
  fault: number = ChainFault.none;

  constructor(private readonly memory: MemoryMap) {}

  /** Walks the chain that starts at `head` of a table of `count` descriptors (four words each). */
  load(head: number, table: Uint32Array, count: number): void {
    this.head = head;
    this.isPair = this.loadPair(head, table, count);
    if (!this.isPair) this.loadSegments(head, table, count);
  }

  private loadSegments(head: number, table: Uint32Array, count: number): void {
    this.segments = 0;
    this.firstWritable = -1;
    this.readableBytes = 0;
    this.writableBytes = 0;
    this.fault = this.walk(head, table, count);
    if (this.firstWritable < 0) this.firstWritable = this.segments;
  }

  /** Loads a pair. Returns false for any other chain, of which nothing that was read here is used. */
  private loadPair(head: number, table: Uint32Array, count: number): boolean {
    let words = table;
    let limit = count;
    let first = head * 4;
    let control = words[first + 3]!;
    if ((control & anyFlag) === DescriptorFlag.INDIRECT) {
      if (words[first + 2]! !== pairBytes) return false;
      if (!this.loadIndirect(words[first]!, words[first + 1]!, pairBytes)) return false;
      words = this.indirectWords;
      limit = 2;
      first = 0;
      control = words[3]!;
    }
    if ((control & anyFlag) !== DescriptorFlag.NEXT || control >>> 16 >= limit) return false;
    const second = (control >>> 16) * 4;
    if ((words[second + 3]! & anyFlag) !== DescriptorFlag.WRITE) return false;
    const readable = words[first + 2]!;
    const writable = words[second + 2]!;
    const high = words[first + 1]!;
    const targetHigh = words[second + 1]!;
    if (readable === 0 || writable === 0 || high >= highMax || targetHigh >= highMax) return false;
    this.source = this.memory.translateRange(high * 2 ** 32 + words[first]!, readable);
    this.targetGuest = targetHigh * 2 ** 32 + words[second]!;
    this.target = this.memory.translateRange(this.targetGuest, writable);
    this.readableBytes = readable;
    this.writableBytes = writable;
    this.fault = ChainFault.none;
    return this.source !== 0 && this.target !== 0;
  }

  private walk(head: number, table: Uint32Array, count: number): number {
    let words = table;
    let limit = count;
    let isIndirect = false;
    let index = head;
    for (let seen = 0; ; seen++) {
      if (index >= limit) return ChainFault.nextOutOfRange;
      if (seen >= limit) return ChainFault.loop;
      const at = index * 4;
      const low = words[at]!;
      const high = words[at + 1]!;
      const length = words[at + 2]!;
      const control = words[at + 3]!;
      if ((control & DescriptorFlag.INDIRECT) !== 0) {
        if (isIndirect || (control & DescriptorFlag.NEXT) !== 0) return ChainFault.badIndirect;
        if (!this.loadIndirect(low, high, length)) return ChainFault.badIndirect;
        isIndirect = true;
        words = this.indirectWords;
        limit = length / Descriptor.bytes;
        index = 0;
        seen = -1;
        continue;
      }
      if (length !== 0) {
        const fault = this.add(low, high, length, (control & DescriptorFlag.WRITE) !== 0);
        if (fault !== ChainFault.none) return fault;
      }
      if ((control & DescriptorFlag.NEXT) === 0) return ChainFault.none;
      index = control >>> 16;
    }
  }

  private loadIndirect(low: number, high: number, length: number): boolean {
    if (length === 0 || length % Descriptor.bytes !== 0 || length > this.indirect.length) return false;
    if (high >= highMax) return false;
    return copyFromGuest(this.memory, high * 2 ** 32 + low, this.indirect.address, length);
  }

  /** Adds a descriptor's buffer as one segment, or more where it crosses from one memory region into the next. */
  private add(low: number, high: number, length: number, writable: boolean): number {
    if (writable) {
      if (this.firstWritable < 0) this.firstWritable = this.segments;
      this.writableBytes += length;
    } else {
      if (this.firstWritable >= 0) return ChainFault.readableAfterWritable;
      this.readableBytes += length;
    }
    if (high >= highMax) return this.undo(length, writable);
    let guest = high * 2 ** 32 + low;
    let left = length;
    while (left > 0) {
      const host = this.memory.translate(guest);
      if (host === 0) return this.undo(left, writable);
      if (this.segments === segmentsMax) return ChainFault.loop;
      const run = left <= this.memory.contiguous ? left : this.memory.contiguous;
      this.hosts[this.segments] = host;
      this.lengths[this.segments] = run;
      this.guests[this.segments] = guest;
      this.segments++;
      guest += run;
      left -= run;
    }
    return ChainFault.none;
  }

  private undo(bytes: number, writable: boolean): number {
    if (writable) this.writableBytes -= bytes;
    else this.readableBytes -= bytes;
    return ChainFault.unmapped;
  }

  /** Copies the request, at most `max` bytes, to native `destination`. The only time that it is read. */
  copyRequest(destination: number, max: number): number {
    if (this.isPair) {
      const run = this.readableBytes <= max ? this.readableBytes : max;
      libc.memcpy(asPointer(destination), asPointer(this.source), run);
      return run;
    }
    let copied = 0;
    for (let index = 0; index < this.firstWritable && copied < max; index++) {
      const length = this.lengths[index]!;
      const run = length <= max - copied ? length : max - copied;
      libc.memcpy(asPointer(destination + copied), asPointer(this.hosts[index]!), run);
      copied += run;
    }
    return copied;
  }

  /** Copies `length` bytes of response from native `source`, as far as there is room. Returns the bytes written. */
  respond(source: number, length: number): number {
    if (this.isPair) {
      const run = length <= this.writableBytes ? length : this.writableBytes;
      libc.memcpy(asPointer(this.target), asPointer(source), run);
      this.memory.wrote(this.targetGuest, run);
      return run;
    }
    let written = 0;
    for (let index = this.firstWritable; index < this.segments && written < length; index++) {
      const room = this.lengths[index]!;
      const run = room <= length - written ? room : length - written;
      libc.memcpy(asPointer(this.hosts[index]!), asPointer(source + written), run);
      this.memory.wrote(this.guests[index]!, run);
      written += run;
    }
    return written;
  }

  /** Remembers in `parked` where the response goes, so that it can be written after this chain was reused. */
  park(parked: ParkedChain): void {
    parked.head = this.head;
    parked.guests.length = 0;
    parked.lengths.length = 0;
    if (this.isPair) {
      parked.guests.push(this.targetGuest);
      parked.lengths.push(this.writableBytes);
      return;
    }
    for (let index = this.firstWritable; index < this.segments; index++) {
      parked.guests.push(this.guests[index]!);
      parked.lengths.push(this.lengths[index]!);
    }
  }
}

/** A chain whose response comes later. Guest addresses, since the memory map may change meanwhile. */
export class ParkedChain {
  head = 0;
  readonly guests: number[] = [];
  readonly lengths: number[] = [];

  /** As {@link Chain.respond}; stops at memory that is no longer the guest's. */
  respond(memory: MemoryMap, source: number, length: number): number {
    let written = 0;
    for (let index = 0; index < this.guests.length && written < length; index++) {
      let guest = this.guests[index]!;
      let left = Math.min(this.lengths[index]!, length - written);
      // What was one region may be several now.
      while (left > 0) {
        const host = memory.translate(guest);
        if (host === 0) return written;
        const run = Math.min(left, memory.contiguous);
        libc.memcpy(asPointer(host), asPointer(source + written), run);
        memory.wrote(guest, run);
        written += run;
        guest += run;
        left -= run;
      }
    }
    return written;
  }
}

/** Copies guest memory that may span regions. Returns false, with a part copied, when some of it is not mapped. */
function copyFromGuest(memory: MemoryMap, guest: number, destination: number, length: number): boolean {
  let copied = 0;
  while (copied < length) {
    const host = memory.translate(guest + copied);
    if (host === 0) return false;
    const run = Math.min(length - copied, memory.contiguous);
    libc.memcpy(asPointer(destination + copied), asPointer(host), run);
    copied += run;
  }
  return true;
}
