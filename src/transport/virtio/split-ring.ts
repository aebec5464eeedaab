// The device's side of a split virtqueue: takes chains from the avail ring, returns them through the used ring.
// virtio 1.3 §2.7. The indexes are read and published with atomics: plain accesses may be hoisted or reordered.

import { toArrayBuffer } from "bun:ffi";
import { asPointer } from "../../ffi/libc.ts";
import type { MemoryMap } from "./memory-map.ts";
import { Refusal } from "../os/errors.ts";
import { Notifier } from "../os/notifier.ts";
import type { Chain, ParkedChain } from "./chain.ts";
import type { InflightRing } from "./inflight.ts";
import { AvailFlag, availBytes, descriptorTableBytes, UsedFlag, usedBytes } from "./layout.ts";
import { Pop, type Position, type Ring, type RingLayout } from "./ring.ts";

const INDEX = 1;
const FLAGS = 0;

export class SplitRing implements Ring {
  private desc!: Uint32Array;
  private avail!: Uint16Array;
  private used16!: Uint16Array;
  private used32!: Uint32Array;
  isAttached = false;
  private readonly mask: number;

  private usedLog: number;
  private seenAvail: number;
  private published: number;
  private usedIndex: number;
  /** Chains that were taken and not completed. */
  private inFlight = 0;
  tookAgain = false;

  /** Whether the guest's indexes made no sense: nothing more is to be taken. */
  isBroken = false;
  /** The next avail index to take. */
  private next: number;
  callee = Notifier.none;

  /**
   * Starts at avail index `base`, or with -1 at the used index. With an inflight record, what it says was under way
   * is taken again first, and where the ring is. Throws a {@link Refusal} when a part of the ring is misaligned or outside of guest memory.
   */
  constructor(
    private readonly layout: RingLayout,
    private readonly memory: MemoryMap,
    base: number,
    private readonly inflight: InflightRing | null = null,
  ) {
    this.mask = layout.num - 1;
    this.usedLog = layout.usedLog;
    this.attach();
    this.usedIndex = Atomics.load(this.used16, INDEX);
    this.published = this.usedIndex;
    const resubmitted = inflight?.recover(this.usedIndex) ?? 0;
    const isAtBase = base >= 0 && inflight?.isBlank !== false;
    const known = this.usedIndex + resubmitted;
    if (isAtBase && inflight !== null) inflight.skipped = (base - known) & 0xffff;
    this.next = isAtBase ? base : (known + (inflight?.skipped ?? 0)) & 0xffff;
    this.seenAvail = this.next;
    // Whoever had it before may have died between what it wrote there and its mark.
    if (base < 0) this.logAll();
  }

  private logAll(): void {
    if (this.usedLog >= 0) this.memory.wrote(this.usedLog, usedBytes(this.layout.num));
  }

  /**
   * The indexes alone do not tell, as they come round to zero every 65536 chains; but a driver begins with a zeroed ring
   * (§4.1.5.1.3).
   */
  get isFresh(): boolean {
    return this.next === 0 && this.usedIndex === 0 && this.used32.subarray(1).every((word) => word === 0);
  }

  /** An avail index. */
  get position(): Position {
    return this.next;
  }

  get offeredAt(): number {
    return this.layout.avail + 2 * INDEX;
  }

  attach(): void {
    const { num, desc, avail, used } = this.layout;
    this.desc = new Uint32Array(this.place("descriptor table", desc, descriptorTableBytes(num), 16));
    this.avail = new Uint16Array(this.place("avail ring", avail, availBytes(num), 2));
    const buffer = this.place("used ring", used, usedBytes(num), 4);
    this.used16 = new Uint16Array(buffer);
    this.used32 = new Uint32Array(buffer, 0, 1 + 2 * num);
    this.isAttached = true;
  }

  detach(): void {
    const empty = new ArrayBuffer(0);
    this.desc = this.used32 = new Uint32Array(empty);
    this.avail = this.used16 = new Uint16Array(empty);
    this.isAttached = false;
  }

  get owed(): number {
    return this.inflight?.waiting ?? 0;
  }

  logUsedAt(address: number): void {
    this.usedLog = address;
  }

  pop(chain: Chain): number {
    if (!this.isAttached) return Pop.EMPTY;
    // What is taken again is marked already, and keeps its number: should we go too, its order is still right.
    const { inflight } = this;
    const again = inflight !== null && inflight.waiting > 0;
    if (this.inFlight === this.layout.num) return this.hasMore() ? this.breaks(Pop.CROWDED) : Pop.EMPTY;
    const head = again ? inflight.next() : this.nextHead();
    if (head < 0) return head === NONE ? Pop.EMPTY : this.breaks(Pop.BROKEN);
    if (head > this.mask) {
      // What is taken again stays marked.
      if (inflight !== null && !again) inflight.skipped++;
      return Pop.SKIPPED;
    }
    if (inflight !== null) {
      this.tookAgain = again;
      if (!again) inflight.take(head);
    }
    this.inFlight++;
    chain.load(head, this.desc, this.layout.num);
    return Pop.CHAIN;
  }

  putBack({ head }: Chain): void {
    this.inFlight--;
    if (this.tookAgain) return this.inflight!.putBack(head);
    this.inflight?.forget(head);
    this.next = (this.next - 1) & 0xffff;
  }

  private breaks(how: number): number {
    this.isBroken = true;
    return how;
  }

  private nextHead(): number {
    if (this.next === this.seenAvail) {
      const index = Atomics.load(this.avail, INDEX);
      const waiting = (index - this.next) & 0xffff;
      if (waiting === 0) return NONE;
      if (waiting > this.layout.num) return BROKEN;
      this.seenAvail = index;
    }
    const head = this.avail[2 + (this.next & this.mask)]!;
    this.next = (this.next + 1) & 0xffff;
    return head;
  }

  hasMore(): boolean {
    if (!this.isAttached) return false;
    if (this.owed > 0) return true;
    return Atomics.load(this.avail, INDEX) !== this.next;
  }

  /** An index that makes no sense may make sense again before it is looked at next: nobody is to wait for it. */
  offered(): Position {
    if (!this.isAttached) return this.next;
    const index = Atomics.load(this.avail, INDEX);
    return ((index - this.next) & 0xffff) > this.layout.num ? this.next : index;
  }

  hasTaken(position: Position): boolean {
    // More than half a turn ahead is behind.
    return this.owed === 0 && ((this.next - position) & 0xffff) < 0x8000;
  }

  complete(head: number, written: number): void {
    this.inFlight--;
    if (!this.isAttached) return;
    const at = 1 + 2 * (this.usedIndex & this.mask);
    this.used32[at] = head;
    this.used32[at + 1] = written;
    if (this.inflight !== null) this.inflight.complete(head);
    if (this.usedLog >= 0) {
      this.memory.wrote(this.usedLog + at * 4, 8);
    }
    this.usedIndex = (this.usedIndex + 1) & 0xffff;
  }

  answerOf(head: number): number {
    return this.inflight?.answerOf(head) ?? 0;
  }

  completeParked(parked: ParkedChain, source: number, length: number): void {
    this.complete(parked.head, parked.respond(this.memory, source, length));
  }

  publish(): boolean {
    const { published, usedIndex } = this;
    if (published === usedIndex || !this.isAttached) return false;
    Atomics.store(this.used16, INDEX, usedIndex);
    if (this.usedLog >= 0) this.memory.wrote(this.usedLog, 4);
    if (this.inflight !== null) this.inflight.publish(usedIndex);
    this.published = usedIndex;
    const isCalled = this.wantsCall(published, usedIndex);
    if (isCalled) this.callee.signal();
    return isCalled;
  }

  publishSilently(): void {
    if (
      this.isAttached &&
      this.published !== this.usedIndex &&
      !this.wantsCall(this.published, this.usedIndex)
    ) {
      this.publish();
    }
  }

  private wantsCall(from: number, to: number): boolean {
    if (!this.layout.eventIdx) return (Atomics.load(this.avail, FLAGS) & AvailFlag.NO_INTERRUPT) === 0;
    const usedEvent = Atomics.load(this.avail, 2 + this.layout.num);
    return ((to - usedEvent - 1) & 0xffff) < ((to - from) & 0xffff);
  }

  callAgain(): void {
    if (this.isAttached && this.mayMissCall()) this.callee.signal();
  }

  /** A driver that waits for the next chain to be used has seen all before it; and from a fresh ring nothing was used. */
  private mayMissCall(): boolean {
    if (this.layout.eventIdx) return Atomics.load(this.avail, 2 + this.layout.num) !== this.published;
    return (Atomics.load(this.avail, FLAGS) & AvailFlag.NO_INTERRUPT) === 0 && !this.isFresh;
  }

  /** Asks the guest for a kick when it makes more available. Returns true when it already has. */
  enableKicks(): boolean {
    if (!this.isAttached) return false;
    if (this.layout.eventIdx) Atomics.store(this.used16, 2 + 4 * this.layout.num, this.next);
    else Atomics.store(this.used16, FLAGS, 0);
    return this.hasMore();
  }

  /** With EVENT_IDX the index that was passed already says so. */
  disableKicks(): void {
    if (this.isAttached && !this.layout.eventIdx) Atomics.store(this.used16, FLAGS, UsedFlag.NO_NOTIFY);
  }

  private place(part: string, address: number, bytes: number, alignment: number): ArrayBuffer {
    const host = this.memory.translateRange(address, bytes);
    if (host === 0 || host % alignment !== 0) {
      const why = host === 0 ? "outside of guest memory" : "misaligned";
      throw new Refusal(`the ${part} at guest address 0x${address.toString(16)} is ${why}`);
    }
    return toArrayBuffer(asPointer(host), 0, bytes);
  }
}

const NONE = -1;
const BROKEN = -2;
