// What has been, as raw records: bounded by memory and by time, and decoded only when somebody asks.

import { NativeMemory } from "../../transport/os/native-memory.ts";
import { Field, recordWords } from "../runtime/tap/layout.ts";

const recordBytes = recordWords * 4;

/** Of a kept record's first word: its kind below, the slot of its actor above. */
const kindMask = 0xff;
export const kindIn = (word: number): number => word & kindMask;
/** That an actor has died, and none of the records behind it is its own. No tap says so itself. */
export const deathKind = 0xff;
export const slotIn = (word: number): number => word >>> 8;

export class History {
  readonly words: Uint32Array;
  private readonly doubles: Float64Array;
  private readonly memory: NativeMemory;
  private readonly capacity: number;
  private first = 0;
  private next = 0;

  constructor(
    bytes: number,
    private readonly seconds: number,
  ) {
    this.capacity = Math.floor(bytes / recordBytes);
    this.memory = NativeMemory.allocate(this.capacity * recordBytes);
    this.words = new Uint32Array(this.memory.view());
    this.doubles = new Float64Array(this.memory.view());
  }

  get count(): number {
    return this.next - this.first;
  }

  /** Of what is remembered. */
  get bytes(): number {
    return this.count * recordBytes;
  }

  /** Keeps a record of the actor of `slot`. Returns its first word in {@link words}. */
  add(ring: Uint32Array, from: number, slot: number): number {
    const { words } = this;
    const at = this.placeOfNext();
    for (let word = 0; word < recordWords; word++) words[at + word] = ring[from + word]!;
    const kind = kindIn(ring[from]!);
    words[at] = (kind === deathKind ? 0 : kind) | (slot << 8);
    return at;
  }

  /** Keeps that the actor of `slot` has died at `ns`, of which all records are there. Returns its first word. */
  addDeath(slot: number, ns: number): number {
    const at = this.placeOfNext();
    this.words.fill(0, at, at + recordWords);
    this.words[at] = deathKind | (slot << 8);
    this.doubles[(at + Field.time) / 2] = ns;
    return at;
  }

  /** Forgets what is too old at `now`. */
  forget(now: number): void {
    const since = now - this.seconds * 1e9;
    while (this.first < this.next && this.timeAt(this.atOf(this.first)) < since) this.first++;
  }

  /** The time at word `field` of the record at word `at`; one that nobody reads from a clock is 0. */
  timeAt(at: number, field: number = Field.time): number {
    const ns = this.doubles[(at + field) / 2]!;
    return ns >= 0 && ns <= Number.MAX_SAFE_INTEGER ? ns : 0;
  }

  /** The first word of every record, oldest first. */
  *all(): Generator<number> {
    for (let number = this.first; number < this.next; number++) yield this.atOf(number);
  }

  close(): void {
    this.memory.unmap();
  }

  private placeOfNext(): number {
    const at = this.atOf(this.next++);
    if (this.count > this.capacity) this.first++;
    return at;
  }

  private atOf(number: number): number {
    return (number % this.capacity) * recordWords;
  }
}
