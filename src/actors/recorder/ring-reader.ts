// The recorder's end of a queue's ring: entries one after the other, and bodies as they come.

import type { NativeMemory } from "../../transport/os/native-memory.ts";
import { RingEntry, RingHead, Rings } from "./manifest.ts";

const headBytes = RingEntry.words * 4;

export class RingReader {
  private readonly head: Int32Array;
  private readonly bytes: Uint8Array;
  private readonly words: Uint32Array;
  private readonly doubles: Float64Array;
  private taken = 0;
  /** Of the entry that was begun: bytes of body and padding that are still to come. */
  private bodyLeft = 0;
  private paddingLeft = 0;

  /** `memory` is the area "recording", `size` a power of two. */
  constructor(
    memory: NativeMemory,
    queue: 0 | 1,
    private readonly size: number,
  ) {
    this.head = new Int32Array(memory.view(Rings.headAt[queue], 128));
    this.bytes = new Uint8Array(memory.view(Rings.ringAt[queue], size));
    this.words = new Uint32Array(memory.view(Rings.ringAt[queue], size));
    this.doubles = new Float64Array(memory.view(Rings.ringAt[queue], size));
  }

  /** Forgets what lies here: no queue writes now. */
  reset(): void {
    for (const word of [RingHead.written, RingHead.gaveUp, RingHead.taken]) Atomics.store(this.head, word, 0);
    this.taken = this.bodyLeft = this.paddingLeft = 0;
  }

  /** Why the queue writes no more: a GaveUp. */
  get gaveUp(): number {
    return Atomics.load(this.head, RingHead.gaveUp);
  }

  /** How much of the ring is full, 0 to 1. */
  get fill(): number {
    return this.waiting / this.size;
  }

  /** The order of the next entry; -1 where none has begun. */
  get nextOrder(): number {
    if (this.paddingLeft > 0) this.skipPadding();
    if (this.bodyLeft > 0 || this.paddingLeft > 0 || this.waiting < headBytes) return -1;
    return this.word(RingEntry.order);
  }

  /** Begins the next entry, of which {@link nextOrder} says that it is there. Returns its kind; its numbers go to `numbers`. */
  begin(numbers: Uint32Array): number {
    const kind = this.word(RingEntry.kind);
    this.bodyLeft = this.word(RingEntry.bodyBytes);
    // The process that writes here may be anybody's by now, and would have us make room for it.
    if (this.bodyLeft > Rings.bodyBytesMax)
      throw new RangeError(`an entry of kind ${kind} says that it has ${this.bodyLeft} bytes`);
    this.paddingLeft = -this.bodyLeft & 7;
    for (let index = 0; index < numbers.length; index++)
      numbers[index] = this.word(RingEntry.numbers + index);
    return kind;
  }

  /** Of the entry that was begun: bytes of its body, and its time in nanoseconds of CLOCK_MONOTONIC. */
  get bodyBytes(): number {
    return this.bodyLeft;
  }

  get time(): number {
    return this.doubles[((this.taken + RingEntry.time * 4) & (this.size - 1)) >>> 3]!;
  }

  /** Has taken the head of the entry that was begun. */
  headTaken(): void {
    this.give(headBytes);
  }

  /** Takes what there is of the body into `into`, where its last byte is before `end`. Returns whether it is whole. */
  take(into: Uint8Array, end: number): boolean {
    while (this.bodyLeft > 0) {
      const at = this.taken & (this.size - 1);
      const count = Math.min(this.bodyLeft, this.waiting, this.size - at);
      if (count === 0) return false;
      copy(this.bytes, at, count, into, end - this.bodyLeft);
      this.bodyLeft -= count;
      this.give(count);
    }
    return true;
  }

  private get waiting(): number {
    return (Atomics.load(this.head, RingHead.written) - this.taken) >>> 0;
  }

  private word(index: number): number {
    return this.words[((this.taken + index * 4) & (this.size - 1)) >>> 2]!;
  }

  private skipPadding(): void {
    if (this.waiting < this.paddingLeft) return;
    this.give(this.paddingLeft);
    this.paddingLeft = 0;
  }

  private give(bytes: number): void {
    this.taken = (this.taken + bytes) >>> 0;
    Atomics.store(this.head, RingHead.taken, this.taken | 0);
  }
}

/** A view costs more than a few bytes do. */
function copy(from: Uint8Array, at: number, count: number, into: Uint8Array, to: number): void {
  if (count > 64) into.set(from.subarray(at, at + count), to);
  else for (let index = 0; index < count; index++) into[to + index] = from[at + index]!;
}
