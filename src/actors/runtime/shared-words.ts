// The few words that actors share: doorbells, receive counts, counters, and state that outlives a crash.
// What an actor in a process of its own has, or takes part in, lies in a memfd, and all else in memory that only the server has: who
// has taken such a process over can write to no counter and no kept word but its own.

import { type ActorName, type WorkerName, workerNames } from "../registry.ts";
import { closeFd, createMemfd } from "../../transport/os/fds.ts";
import { NativeMemory } from "../../transport/os/native-memory.ts";
import { slotsMax } from "./slots.ts";

const lineWords = 16;
const countersMax = 64;
/** Words that each actor has for its successor. */
export const keepWords = 96;
/** The last of the words that an actor keeps are the runtime's. */
export const ownWords = 3;
/**
 * Among those: how many of this actor there were, the last token that one of them gave a question, and how often it was ready
 * to sleep.
 */
export const Own = { lives: 0, lastToken: 1, turns: 2 } as const;

// Offsets of each part, in bytes.
const doorbellsAt = 0;
const receivedAt = doorbellsAt + slotsMax * lineWords * 4;
const keepAt = receivedAt + slotsMax * slotsMax * 4;
const countersAt = keepAt + slotsMax * keepWords * 4;
const totalBytes = countersAt + slotsMax * countersMax * 8;

/** From the first token of one that was renewed to that of the next. */
const tokensApart = 2 ** 16;

const BELL = 0;
const ASLEEP = 1;

/** The supervisor is slot 0, workers follow in their order. */
export const slotOf = (name: ActorName): number =>
  name === "supervisor" ? 0 : 1 + workerNames.indexOf(name as WorkerName);

/** Which actors have a process of their own, by a bit for each slot, and where both parts lie. Such a process has the descriptor alone. */
export interface WordsPlace {
  readonly outside: number;
  readonly fd: number;
  readonly outer: number;
  readonly inner: number;
}

export class SharedWords {
  private readonly words: Int32Array;
  private readonly outerReceived: Int32Array;
  private readonly innerReceived: Int32Array;
  private renewals = 0;

  private constructor(
    private readonly outside: number,
    private fd: number,
    private readonly outer: NativeMemory,
    /** Null in a process that runs one actor. */
    private readonly inner: NativeMemory | null,
  ) {
    this.words = new Int32Array(outer.view(doorbellsAt, receivedAt - doorbellsAt));
    this.outerReceived = new Int32Array(outer.view(receivedAt, keepAt - receivedAt));
    this.innerReceived =
      inner === null ? this.outerReceived : new Int32Array(inner.view(receivedAt, keepAt - receivedAt));
  }

  /** `outside`: slots of the actors that have a process of their own. */
  static create(outside: readonly number[] = []): SharedWords {
    const fd = createMemfd("fencepost-words", totalBytes);
    const bits = outside.reduce((sum, slot) => sum | (1 << slot), 0);
    const outer = NativeMemory.mapShared(fd, 0, totalBytes, "write");
    return new SharedWords(bits, fd, outer, NativeMemory.allocate(totalBytes));
  }

  /** Those of an actor that has this process for itself. */
  static open(fd: number, outside: number): SharedWords {
    return new SharedWords(outside, fd, NativeMemory.mapShared(fd, 0, totalBytes, "write"), null);
  }

  /** Those that this process has mapped, for one of its threads: a mapping of its own would outlive it. */
  static mappedAt({ outside, fd, outer, inner }: WordsPlace): SharedWords {
    const at = (address: number): NativeMemory => NativeMemory.mappedAt(address, totalBytes);
    return new SharedWords(outside, fd, at(outer), at(inner));
  }

  /** Where they are, in this process. */
  get place(): WordsPlace {
    const { outside, fd, outer, inner } = this;
    return { outside, fd, outer: outer.address, inner: inner?.address ?? 0 };
  }

  /** Of whoever has made them: no view of any word may be used any more. */
  close(): void {
    this.outer.unmap();
    this.inner?.unmap();
    closeFd(this.fd);
  }

  /**
   * Forgets all that the actor of `slot` could write, which has ended, and begins its words anew: in new memory, where it had a
   * process of its own, for whoever maps the old one. All have to be woken then. To its successor it is one that was there, so that
   * tokens go on.
   */
  renew(slot: number): void {
    if (this.isOutside(slot)) {
      if (this.outside !== 1 << slot) throw new Error("another process has these words, too");
      const fd = createMemfd("fencepost-words", totalBytes);
      this.outer.replaceShared(fd);
      closeFd(this.fd);
      this.fd = fd;
    }
    this.keep(slot).fill(0);
    this.counters(slot).fill(0);
    const own = this.own(slot);
    this.renewals++;
    own[Own.lives] = this.renewals;
    own[Own.lastToken] = (this.renewals * tokensApart) & 0x7fff_ffff;
    own[Own.turns] = 0;
  }

  /** Sets `slot`'s bell. Returns true when its actor sleeps, and the caller must write its eventfd. */
  ring(slot: number): boolean {
    Atomics.store(this.words, slot * lineWords + BELL, 1);
    return Atomics.compareExchange(this.words, slot * lineWords + ASLEEP, 1, 0) === 1;
  }

  isRung(slot: number): boolean {
    return Atomics.load(this.words, slot * lineWords + BELL) !== 0;
  }

  /** The word of {@link isRung}, for whoever looks at one bell all the time: it is rung while it is not 0. */
  bell(slot: number): Int32Array {
    return this.words.subarray(slot * lineWords + BELL, slot * lineWords + BELL + 1);
  }

  silence(slot: number): void {
    Atomics.store(this.words, slot * lineWords + BELL, 0);
  }

  /** Says that `slot`'s actor is about to sleep. Returns false, and takes it back, when its bell rang meanwhile. */
  fallAsleep(slot: number): boolean {
    Atomics.store(this.words, slot * lineWords + ASLEEP, 1);
    if (!this.isRung(slot)) return true;
    this.wakeUp(slot);
    return false;
  }

  wakeUp(slot: number): void {
    Atomics.store(this.words, slot * lineWords + ASLEEP, 0);
  }

  /** How many messages `to` has taken from `from`, modulo 2^32. */
  receivedCount(from: number, to: number): number {
    return Atomics.load(this.receivedBetween(from, to), to * slotsMax + from);
  }

  countReceived(from: number, to: number): void {
    Atomics.add(this.receivedBetween(from, to), to * slotsMax + from, 1);
  }

  /** Words that an actor keeps for its successor. */
  keep(slot: number): Int32Array {
    return new Int32Array(this.of(slot).view(keepAt + slot * keepWords * 4, (keepWords - ownWords) * 4));
  }

  /** Words that the runtime keeps for it, as {@link Own} says. */
  own(slot: number): Int32Array {
    const at = keepAt + ((slot + 1) * keepWords - ownWords) * 4;
    return new Int32Array(this.of(slot).view(at, ownWords * 4));
  }

  /** Counters with one writer each; a double counts exactly to 2^53 and is written whole. */
  counters(slot: number): Float64Array {
    return new Float64Array(this.of(slot).view(countersAt + slot * countersMax * 8, countersMax * 8));
  }

  /** Whether the actor of `slot` has a process of its own. */
  isOutside(slot: number): boolean {
    return ((this.outside >>> slot) & 1) !== 0;
  }

  private of(slot: number): NativeMemory {
    return this.isOutside(slot) ? this.outer : this.inner!;
  }

  private receivedBetween(from: number, to: number): Int32Array {
    return this.isOutside(from) || this.isOutside(to) ? this.outerReceived : this.innerReceived;
  }
}
