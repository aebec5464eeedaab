// The few words that actors share: doorbells, receive counts, counters, and state that outlives a crash.
// They live in a mapped memfd, so that an actor in another process could map them too.

import { type ActorName, type WorkerName, workerNames } from "../registry.ts";
import { createMemfd } from "../../transport/os/fds.ts";
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

const BELL = 0;
const ASLEEP = 1;

/** The supervisor is slot 0, workers follow in their order. */
export const slotOf = (name: ActorName): number =>
  name === "supervisor" ? 0 : 1 + workerNames.indexOf(name as WorkerName);

export class SharedWords {
  private readonly words: Int32Array;
  private readonly received: Int32Array;

  private constructor(
    readonly fd: number,
    private readonly memory: NativeMemory,
  ) {
    this.words = new Int32Array(this.memory.view(doorbellsAt, receivedAt - doorbellsAt));
    this.received = new Int32Array(this.memory.view(receivedAt, keepAt - receivedAt));
  }

  static create(): SharedWords {
    return SharedWords.open(createMemfd("fencepost-words", totalBytes));
  }

  static open(fd: number): SharedWords {
    return new SharedWords(fd, NativeMemory.mapShared(fd, 0, totalBytes, "write"));
  }

  /** Those that this process has mapped, for one of its threads: a mapping of its own would outlive it. */
  static mappedAt(fd: number, address: number): SharedWords {
    return new SharedWords(fd, NativeMemory.mappedAt(address, totalBytes));
  }

  /** Where they are mapped, in this process. */
  get address(): number {
    return this.memory.address;
  }

  /** No view of any word may be used any more. */
  close(): void {
    this.memory.unmap();
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
    return Atomics.load(this.received, to * slotsMax + from);
  }

  countReceived(from: number, to: number): void {
    Atomics.add(this.received, to * slotsMax + from, 1);
  }

  /** Words that an actor keeps for its successor. */
  keep(slot: number): Int32Array {
    return new Int32Array(this.memory.view(keepAt + slot * keepWords * 4, (keepWords - ownWords) * 4));
  }

  /** Words that the runtime keeps for it, as {@link Own} says. */
  own(slot: number): Int32Array {
    const at = keepAt + ((slot + 1) * keepWords - ownWords) * 4;
    return new Int32Array(this.memory.view(at, ownWords * 4));
  }

  /** Counters with one writer each; a double counts exactly to 2^53 and is written whole. */
  counters(slot: number): Float64Array {
    return new Float64Array(this.memory.view(countersAt + slot * countersMax * 8, countersMax * 8));
  }
}
