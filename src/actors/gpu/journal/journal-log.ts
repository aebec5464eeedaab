// Records one behind the other in memory that outlives the process which writes them, be it killed at any moment: a record is
// there once its end was stored, and all records are written anew in the other half of the memory before that takes over.

import type { NativeMemory } from "../../../transport/os/native-memory.ts";

/**
 * Words of the first page: which half holds, the bytes that are used of each, whether some state found no room, and of each place
 * which of its two copies holds: 1 or 2, or 0 where neither does.
 */
const Head = { half: 0, used: 1, isOver: 3, places: 16, words: 64 } as const;
const headBytes = 4096;
/** For what is said again and again, and only the last of it counts: so many places, of so many words each. */
const placesMax = 16;
const placeWords = 32;
const placesBytes = placesMax * 2 * placeWords * 4;
const halvesAt = headBytes + placesBytes;
/** Of a record: what it is, and how many words follow. */
const recordHeadBytes = 8;
/** Bodies that are copied word by word: a call takes as long as some more. */
const shortWords = 64;

export interface JournalRecord {
  kind: number;
  words: Uint32Array;
}

/** Takes a record of `count` words from `at` on. */
export type Append = (kind: number, words: Uint32Array, at?: number, count?: number) => void;

export class JournalLog {
  private readonly head: Int32Array;
  private readonly halfBytes: number;
  private readonly halves: readonly Uint32Array[];
  private readonly places: Uint32Array;
  private half: number;
  /** Bytes that are used of it. */
  private used: number;

  constructor(private readonly memory: NativeMemory) {
    this.head = new Int32Array(memory.view(0, Head.words * 4));
    this.places = new Uint32Array(memory.view(headBytes, placesBytes));
    this.halfBytes = Math.floor((memory.length - halvesAt) / 8192) * 4096;
    this.halves = [0, 1].map(
      (half) => new Uint32Array(memory.view(halvesAt + half * this.halfBytes, this.halfBytes)),
    );
    // Whoever has written it may have been anybody's by then.
    this.half = Atomics.load(this.head, Head.half) & 1;
    const used = Atomics.load(this.head, Head.used + this.half);
    this.used = used < 0 || used > this.halfBytes ? 0 : used & ~3;
  }

  get bytes(): number {
    return this.used;
  }

  /** Whether some state found no room, so that what is here is not all. */
  get isOver(): boolean {
    return Atomics.load(this.head, Head.isOver) !== 0;
  }

  hasRoom(words: number): boolean {
    return this.used + recordHeadBytes + words * 4 <= this.halfBytes;
  }

  /** Adds a record, for which there is room. */
  readonly append: Append = (kind, words, at = 0, count = words.length - at) => {
    this.used = this.write(this.half, this.used, kind, words, at, count);
    Atomics.store(this.head, Head.used + this.half, this.used);
  };

  /** Puts `count` words, 31 at most, in the place of what was said there before. */
  put(place: number, words: Uint32Array, count: number): void {
    const copy = Atomics.load(this.head, Head.places + place) === 1 ? 2 : 1;
    const at = this.atCopy(place, copy);
    this.places[at] = count;
    for (let word = 0; word < count; word++) this.places[at + 1 + word] = words[word]!;
    Atomics.store(this.head, Head.places + place, copy);
  }

  /** What was put at a place, or null. */
  placed(place: number): Uint32Array | null {
    const copy = Atomics.load(this.head, Head.places + place);
    if (copy !== 1 && copy !== 2) return null;
    const at = this.atCopy(place, copy);
    return this.places.subarray(at + 1, at + 1 + Math.min(this.places[at]!, placeWords - 1));
  }

  empty(place: number): void {
    Atomics.store(this.head, Head.places + place, 0);
  }

  /** What is there is not all, and never will be until {@link clear}. */
  overflow(): void {
    Atomics.store(this.head, Head.isOver, 1);
  }

  /** Puts what `tell` appends in the place of all that is here, of which `tell` may read. Returns whether there was room. */
  rewrite(tell: (append: Append) => void): boolean {
    const other = 1 - this.half;
    let used = 0;
    let fits = true;
    tell((kind, words, at = 0, count = words.length - at) => {
      fits &&= used + recordHeadBytes + count * 4 <= this.halfBytes;
      if (fits) used = this.write(other, used, kind, words, at, count);
    });
    if (!fits) return false;
    Atomics.store(this.head, Head.used + other, used);
    Atomics.store(this.head, Head.half, other);
    this.half = other;
    this.used = used;
    return true;
  }

  clear(): void {
    for (let place = 0; place < placesMax; place++) this.empty(place);
    this.used = 0;
    Atomics.store(this.head, Head.used + this.half, 0);
    Atomics.store(this.head, Head.isOver, 0);
  }

  /** All records, whose words lie in the journal itself. */
  *records(): Generator<JournalRecord> {
    const words = this.halves[this.half]!;
    const end = this.used / 4;
    for (let at = 0; at + 2 <= end;) {
      const [kind, count] = [words[at]!, words[at + 1]!];
      at += 2;
      if (count > end - at) return;
      yield { kind, words: words.subarray(at, at + count) };
      at += count;
    }
  }

  close(): void {
    this.memory.unmap();
  }

  private atCopy(place: number, copy: number): number {
    return (2 * place + copy - 1) * placeWords;
  }

  private write(
    half: number,
    used: number,
    kind: number,
    words: Uint32Array,
    from: number,
    count: number,
  ): number {
    const target = this.halves[half]!;
    let at = used >>> 2;
    target[at++] = kind;
    target[at++] = count;
    if (count <= shortWords) for (let word = 0; word < count; word++) target[at + word] = words[from + word]!;
    else target.set(words.subarray(from, from + count), at);
    return (at + count) * 4;
  }
}
