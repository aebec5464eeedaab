// The record of chains under way, in memory that outlives us: of the VMM's, or where it has none of our own.
// Whoever reads it comes after us: a process that dies has written what it wrote in its order, so that there is no need of atomics,
// each of which costs as much as all else here.
// vhost-user "Inflight I/O tracking", split virtqueues.

import { Refusal } from "../os/errors.ts";
import { NativeMemory } from "../os/native-memory.ts";
import { inflightBytes, InflightRegion } from "./layout.ts";

const { entry } = InflightRegion;
const version = 1;

// Where an entry's parts are, in units of their size.
const counterAt = (head: number): number =>
  (InflightRegion.entries + head * entry.bytes + entry.counter) >> 2;
const nextAt = (head: number): number => (InflightRegion.entries + head * entry.bytes + entry.next) >> 1;
const entryAt = (head: number): number => InflightRegion.entries + head * entry.bytes;
const lastBatchHeadAt = InflightRegion.lastBatchHead >> 1;
/** Ends a batch's list. */
const noHead = 0xffff;

/** Two words a descriptor: the low half of the entry's counter, and the response's type. Behind them one for heads that were skipped. */
const answerWords = 2;
export const answersBytes = (num: number): number => (num + 1) * answerWords * 4;

export class InflightRing {
  private readonly bytes: Uint8Array;
  private readonly words16: Uint16Array;
  private readonly words32: Uint32Array;
  /** The newest first: what is taken from an array's end costs the same however many there are. */
  private readonly resubmit: number[] = [];
  /** What some of them were to be answered, by head. */
  private readonly given = new Map<number, number>();
  /** Whether nobody has written it before: it says nothing of where the ring is. */
  isBlank = false;
  private mapped: NativeMemory | null = null;
  /** The counter of the chain taken last, in halves: a division costs as much as all else here. */
  private counterLow = 0;
  private counterHigh = 0;
  /** The heads of the batch, which others than us cannot change, and the last of them. */
  private readonly batch: Uint16Array;
  private batchSize = 0;
  private batchHead = noHead;

  /**
   * The record of `num` descriptors in `memory`. `answers`: where what was answered is kept until the guest sees it, for a
   * successor in this place to say so again and run nothing twice; null where there is none.
   */
  constructor(
    memory: ArrayBuffer,
    private readonly num: number,
    private readonly answers: Uint32Array | null = null,
  ) {
    this.bytes = new Uint8Array(memory);
    this.words16 = new Uint16Array(memory);
    this.words32 = new Uint32Array(memory);
    this.batch = new Uint16Array(num);
  }

  /** Maps one queue's region of `num` descriptors from `fd`, which may be closed afterwards. */
  static open(fd: number, offset: number, num: number, answers: Uint32Array | null = null): InflightRing {
    if (offset % 8 !== 0) throw new Refusal(`the inflight record's offset ${offset} is misaligned`);
    const mapped = NativeMemory.mapForeign(fd, offset, inflightBytes(num), "the inflight record");
    const ring = new InflightRing(mapped.view(), num, answers);
    ring.mapped = mapped;
    return ring;
  }

  /** Whoever has made it lets go of it. */
  unmap(): void {
    this.mapped?.unmap();
  }

  /** Chains that were under way when the last back-end went, and were not taken again yet. */
  get waiting(): number {
    return this.resubmit.length;
  }

  /** The oldest of them. */
  next(): number {
    return this.resubmit.pop()!;
  }

  /** It is the oldest again. */
  putBack(head: number): void {
    this.resubmit.push(head);
  }

  /**
   * Reads the record of a back-end that is gone, given the ring's used index. Nothing in it is trusted: another
   * process could write it. Returns how many chains are to be taken again.
   */
  recover(usedIndex: number): number {
    const { words16, bytes, num } = this;
    if (
      words16[InflightRegion.version / 2] !== version ||
      words16[InflightRegion.descriptorCount / 2] !== num
    ) {
      bytes.fill(0);
      words16[InflightRegion.version / 2] = version;
      words16[InflightRegion.descriptorCount / 2] = num;
      words16[InflightRegion.usedIndex / 2] = usedIndex;
      this.isBlank = true;
      return 0;
    }
    if (words16[InflightRegion.usedIndex / 2] !== usedIndex) {
      // It went between publishing its last batch and clearing the marks of that batch.
      let head = words16[InflightRegion.lastBatchHead / 2]!;
      const size = (usedIndex - words16[InflightRegion.usedIndex / 2]!) & 0xffff;
      for (let count = 0; count < size && count < num && head < num; count++) {
        bytes[entryAt(head)] = 0;
        head = words16[nextAt(head)]!;
      }
      words16[InflightRegion.usedIndex / 2] = usedIndex;
    }
    for (let head = 0; head < num; head++) if (bytes[entryAt(head)] === 1) this.resubmit.push(head);
    this.resubmit.sort((a, b) => (this.counterOf(a) < this.counterOf(b) ? 1 : -1));
    const last = this.resubmit[0];
    if (last !== undefined) {
      this.counterLow = this.words32[counterAt(last)]! | 0;
      this.counterHigh = this.words32[counterAt(last) + 1]!;
    }
    if (this.answers !== null) this.readAnswers(this.answers);
    return this.resubmit.length;
  }

  /** A chain's response of this type says it all, and is about to be given. */
  answered(head: number, type: number): void {
    const { answers, words32 } = this;
    if (answers === null) return;
    answers[head * answerWords + 1] = type;
    answers[head * answerWords] = words32[counterAt(head)]!;
  }

  /** Before {@link recover}: a chain that is under way is answered so, whoever takes it again. */
  condemn(head: number, type: number): void {
    if (head < this.num) this.answered(head, type);
  }

  /** What a chain that is taken again was answered before: the response's type, or 0 where it was not. */
  answerOf(head: number): number {
    return this.given.get(head) ?? 0;
  }

  take(head: number): void {
    const { words32 } = this;
    const at = counterAt(head);
    const low = (this.counterLow + 1) | 0;
    this.counterLow = low;
    if (low === 0) this.counterHigh++;
    words32[at] = low;
    words32[at + 1] = this.counterHigh;
    this.bytes[entryAt(head)] = 1;
  }

  /**
   * How many heads were offered that there are not: they are never used, so that the ring is by so many further than its used index
   * and what is under way say. Nobody else's record says so.
   */
  get skipped(): number {
    return this.answers?.[this.num * answerWords] ?? 0;
  }

  set skipped(count: number) {
    if (this.answers !== null) this.answers[this.num * answerWords] = count;
  }

  /** It was not taken after all. */
  forget(head: number): void {
    this.bytes[entryAt(head)] = 0;
  }

  /** Links `head` into the batch that the next {@link publish} ends. */
  complete(head: number): void {
    const { words16 } = this;
    words16[nextAt(head)] = this.batchHead;
    this.batchHead = head;
    words16[lastBatchHeadAt] = head;
    // A guest that returns heads twice can have more of them than there are.
    if (this.batchSize < this.num) this.batch[this.batchSize++] = head;
    else this.forget(head);
  }

  /** Clears the marks of the batch, once its used index has been published. */
  publish(usedIndex: number): void {
    const { batch, bytes, batchSize } = this;
    for (let index = 0; index < batchSize; index++) bytes[entryAt(batch[index]!)] = 0;
    this.batchHead = noHead;
    this.batchSize = 0;
    this.words16[InflightRegion.usedIndex / 2] = usedIndex;
  }

  /** Those of chains that are not under way would be mistaken for others', once their counters come again. */
  private readAnswers(answers: Uint32Array): void {
    for (const head of this.resubmit) {
      const counter = this.words32[counterAt(head)]!;
      if (answers[head * answerWords] === counter) this.given.set(head, answers[head * answerWords + 1]!);
    }
    for (let head = 0; head < this.num; head++) if (!this.given.has(head)) answers[head * answerWords] = 0;
  }

  /** Exact below 2^53, which no device comes to. */
  private counterOf(head: number): number {
    const at = counterAt(head);
    return this.words32[at + 1]! * 2 ** 32 + this.words32[at]!;
  }
}
