// The driver's side of a split virtqueue (virtio 1.3 §2.7), with EVENT_IDX and INDIRECT_DESC.
//
// A chain is made once with `add` and may be offered again and again with `offer`, so a benchmark's loop touches
// only the avail and used rings. `raw` writes whatever it is told, for devices that must survive that.

import { closeFd, createEventfd, signalEventfd } from "../../src/transport/os/fds.ts";
import {
  AvailFlag,
  availBytes,
  Descriptor,
  DescriptorFlag,
  descriptorTableBytes,
  queueSizeMax,
  UsedFlag,
  usedBytes,
} from "../../src/transport/virtio/layout.ts";
import { writeDescriptor } from "./descriptor-table.ts";
import type { GuestBuffer, GuestMemory, GuestRange } from "./guest-memory.ts";

export interface RingOptions {
  /** Descriptors; a power of two up to 32768. */
  size: number;
  /** VIRTIO_F_EVENT_IDX was negotiated. */
  eventIdx: boolean;
}

const noHead = 0xffff_ffff;

export class DriverRing {
  readonly size: number;
  readonly descriptors: GuestBuffer;
  readonly avail: GuestBuffer;
  readonly used: GuestBuffer;
  /** Written by us to notify the device. */
  readonly kickFd: number;
  /** Written by the device to interrupt us. */
  readonly callFd: number;
  /** Written by the device when the ring is beyond use. */
  readonly errFd: number;

  /** Bytes that the device wrote into the chain last answered by {@link pop}. */
  usedLength = 0;
  /** Chains offered and not yet popped. */
  inFlight = 0;
  /** Kicks that went to the device, and those that it had asked us to leave out. */
  kicks = 0;
  kicksSuppressed = 0;

  private readonly mask: number;
  private readonly eventIdx: boolean;
  private readonly descriptorWords: Uint32Array;
  private readonly availHalves: Uint16Array;
  private readonly usedHalves: Uint16Array;
  private readonly usedWords: Uint32Array;
  private readonly usedEventSlot: number;
  private readonly availEventSlot: number;
  /** The next descriptor of a chain, or of the free list; kept here because the table is shared. */
  private readonly nextOf: Uint32Array;
  private readonly offered: Uint8Array;
  private readonly indirectTables: (GuestBuffer | undefined)[] = [];
  private firstFree = 0;
  private freeDescriptors: number;
  private availIndex = 0;
  private committed = 0;
  private lastUsed = 0;
  private usedSeen = 0;

  constructor(
    private readonly memory: GuestMemory,
    { size, eventIdx }: RingOptions,
  ) {
    if (size < 1 || size > queueSizeMax || (size & (size - 1)) !== 0) {
      throw new RangeError(`a queue of ${size} descriptors: must be a power of two up to ${queueSizeMax}`);
    }
    this.size = size;
    this.eventIdx = eventIdx;
    this.mask = size - 1;
    this.descriptors = memory.allocate(descriptorTableBytes(size));
    this.avail = memory.allocate(availBytes(size) + 2);
    this.used = memory.allocate(usedBytes(size) + 2);
    this.descriptorWords = this.descriptors.words;
    this.availHalves = this.avail.halfwords;
    this.usedHalves = this.used.halfwords;
    this.usedWords = this.used.words;
    this.usedEventSlot = 2 + size;
    this.availEventSlot = 2 + 4 * size;
    this.nextOf = Uint32Array.from({ length: size }, (_, index) => index + 1);
    this.nextOf[size - 1] = noHead;
    this.offered = new Uint8Array(size);
    this.freeDescriptors = size;
    this.kickFd = createEventfd();
    this.callFd = createEventfd();
    this.errFd = createEventfd();
  }

  /** The index of the next chain that the device will be given: SET_VRING_BASE of a ring that is set up again. */
  get base(): number {
    return this.lastUsed;
  }

  /** Descriptors that no chain holds. */
  get free(): number {
    return this.freeDescriptors;
  }

  /**
   * Makes a chain of device-readable, then device-writable ranges, without offering it.
   * Returns its head, or -1 when too few descriptors are free.
   */
  add(readable: readonly GuestRange[], writable: readonly GuestRange[], indirect = false): number {
    const count = readable.length + writable.length;
    if (count === 0) throw new RangeError("a chain needs a descriptor");
    const needed = indirect ? 1 : count;
    if (needed > this.freeDescriptors) return -1;
    const head = this.firstFree;
    if (indirect) {
      const table = this.indirectTable(head, count);
      const words = table.words;
      for (let index = 0; index < count; index++) {
        const range = index < readable.length ? readable[index]! : writable[index - readable.length]!;
        const write = index < readable.length ? 0 : DescriptorFlag.WRITE;
        const flags = index + 1 < count ? write | DescriptorFlag.NEXT : write;
        writeDescriptor(words, index, range.address, range.length, flags, index + 1 < count ? index + 1 : 0);
      }
      this.takeFree(head);
      writeDescriptor(
        this.descriptorWords,
        head,
        table.address,
        count * Descriptor.bytes,
        DescriptorFlag.INDIRECT,
        0,
      );
      this.nextOf[head] = noHead;
      return head;
    }
    let last = head;
    for (let index = 0; index < count; index++) {
      const range = index < readable.length ? readable[index]! : writable[index - readable.length]!;
      const write = index < readable.length ? 0 : DescriptorFlag.WRITE;
      const descriptor = this.firstFree;
      const next = this.takeFree(descriptor);
      const more = index + 1 < count;
      writeDescriptor(
        this.descriptorWords,
        descriptor,
        range.address,
        range.length,
        more ? write | DescriptorFlag.NEXT : write,
        more ? next : 0,
      );
      last = descriptor;
    }
    this.nextOf[last] = noHead;
    return head;
  }

  /** Puts a chain into the avail ring; the device sees it at the next {@link commit}. */
  offer(head: number): void {
    this.offered[head] = 1;
    this.availHalves[2 + (this.availIndex & this.mask)] = head;
    this.availIndex = (this.availIndex + 1) & 0xffff;
    this.inFlight++;
  }

  /** Publishes what was offered, and kicks the device unless it asked not to be. Returns whether it was kicked. */
  commit(): boolean {
    const { committed, availIndex } = this;
    if (committed === availIndex) return false;
    // Sequentially consistent, so the device's event index is read after our index is visible to it (§2.7.13.4.1).
    Atomics.store(this.availHalves, 1, availIndex);
    this.committed = availIndex;
    if (!this.wantsKick(committed, availIndex)) {
      this.kicksSuppressed++;
      return false;
    }
    this.kick();
    return true;
  }

  /** Notifies the device, asked or not. */
  kick(): void {
    this.kicks++;
    signalEventfd(this.kickFd);
  }

  /** The head of the next used chain, or -1; {@link usedLength} says how much was written into it. */
  pop(): number {
    const { lastUsed } = this;
    if (lastUsed === this.usedSeen) {
      this.usedSeen = Atomics.load(this.usedHalves, 1);
      if (lastUsed === this.usedSeen) return -1;
    }
    const slot = 1 + 2 * (lastUsed & this.mask);
    const head = this.usedWords[slot]!;
    this.usedLength = this.usedWords[slot + 1]!;
    this.lastUsed = (lastUsed + 1) & 0xffff;
    if (this.offered[head] !== 1) throw new Error(`the device used chain ${head}, which it was not given`);
    this.offered[head] = 0;
    this.inFlight--;
    return head;
  }

  /** Whether {@link pop} has something to answer. */
  hasUsed(): boolean {
    return this.lastUsed !== this.usedSeen || Atomics.load(this.usedHalves, 1) !== this.lastUsed;
  }

  /** Gives the descriptors of a popped (or never offered) chain back. */
  release(head: number): void {
    let last = head;
    this.freeDescriptors++;
    while (this.nextOf[last] !== noHead) {
      last = this.nextOf[last]!;
      this.freeDescriptors++;
    }
    this.nextOf[last] = this.firstFree;
    this.firstFree = head;
  }

  /**
   * Asks for an interrupt once `chains` more are used. Returns whether they were used already, in which case none
   * may come.
   */
  enableCall(chains = 1): boolean {
    if (this.eventIdx)
      Atomics.store(this.availHalves, this.usedEventSlot, (this.lastUsed + chains - 1) & 0xffff);
    else Atomics.store(this.availHalves, 0, 0);
    return ((Atomics.load(this.usedHalves, 1) - this.lastUsed) & 0xffff) >= chains;
  }

  /** Asks for no interrupts, for a driver that polls. Only a hint to the device. */
  disableCall(): void {
    if (this.eventIdx) Atomics.store(this.availHalves, this.usedEventSlot, (this.lastUsed - 1) & 0xffff);
    else Atomics.store(this.availHalves, 0, AvailFlag.NO_INTERRUPT);
  }

  /** Forgets every chain and continues at index `base`, as a driver does after a device reset. */
  reset(base = 0): void {
    this.nextOf.forEach((_, index) => (this.nextOf[index] = index + 1));
    this.nextOf[this.size - 1] = noHead;
    this.offered.fill(0);
    this.firstFree = 0;
    this.freeDescriptors = this.size;
    this.inFlight = 0;
    this.availIndex = this.committed = this.lastUsed = this.usedSeen = base;
    this.avail.bytes.fill(0);
    this.used.bytes.fill(0);
    this.availHalves[1] = base;
    this.usedHalves[1] = base;
  }

  /** Unchecked writes; what {@link add} and {@link offer} believe about the ring is not kept up. */
  readonly raw = {
    descriptor: (index: number, address: number, length: number, flags: number, next = 0): void => {
      writeDescriptor(this.descriptorWords, index, address, length, flags, next);
    },
    /** Offers any 16-bit value as a head, and expects it back where it is a possible one. */
    offer: (head: number): void => {
      if (head < this.size) this.offered[head] = 1;
      this.availHalves[2 + (this.availIndex & this.mask)] = head;
      this.availIndex = (this.availIndex + 1) & 0xffff;
      this.inFlight++;
    },
    /** Stores the avail index and kicks. */
    availIndex: (value: number): void => {
      Atomics.store(this.availHalves, 1, value & 0xffff);
      this.kick();
    },
    /** What the device sees as the avail index. */
    publishedAvailIndex: (): number => this.availHalves[1]!,
    usedIndex: (): number => Atomics.load(this.usedHalves, 1),
  };

  close(): void {
    for (const fd of [this.kickFd, this.callFd, this.errFd]) closeFd(fd);
  }

  private wantsKick(from: number, to: number): boolean {
    if (!this.eventIdx) return (Atomics.load(this.usedHalves, 0) & UsedFlag.NO_NOTIFY) === 0;
    const event = Atomics.load(this.usedHalves, this.availEventSlot);
    return ((to - event - 1) & 0xffff) < ((to - from) & 0xffff);
  }

  private takeFree(descriptor: number): number {
    this.firstFree = this.nextOf[descriptor]!;
    this.freeDescriptors--;
    return this.firstFree;
  }

  private indirectTable(head: number, count: number): GuestBuffer {
    const table = this.indirectTables[head];
    if (table !== undefined && table.length >= count * Descriptor.bytes) return table;
    return (this.indirectTables[head] = this.memory.allocate(count * Descriptor.bytes, Descriptor.bytes));
  }
}
