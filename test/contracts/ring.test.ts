// What every kind of ring does for a queue, told in the terms of its face alone.
import { afterEach, describe, expect, test } from "bun:test";
import { DriverRing } from "../../lab/driver/driver-ring.ts";
import { closeFd, createMemfd } from "../../src/transport/os/fds.ts";
import { Refusal } from "../../src/transport/os/errors.ts";
import { NativeMemory } from "../../src/transport/os/native-memory.ts";
import { Notifier } from "../../src/transport/os/notifier.ts";
import { Chain, ParkedChain } from "../../src/transport/virtio/chain.ts";
import { InflightRing } from "../../src/transport/virtio/inflight.ts";
import { inflightBytes } from "../../src/transport/virtio/layout.ts";
import { Pop, type Position, type Ring } from "../../src/transport/virtio/ring.ts";
import { SplitRing } from "../../src/transport/virtio/split-ring.ts";
import { readEventfd } from "../support/fds.ts";
import { type MappedGuest, mapGuest, tableOf } from "../support/guest-map.ts";

const size = 8;

/** A driver, in words that fit any kind of ring, and the device's end of what they share. */
interface Pair {
  ring: Ring;
  chain: Chain;
  /** The device's end again, from `position` on, or from where the driver has seen it. */
  resume(position: Position): Ring;
  /** Offers `count` chains of one descriptor each, four bytes to read and eight to write, at once. Returns whether the device is kicked. */
  offer(count: number): boolean;
  /** Asks for an interrupt for the next chain, or for none. */
  wantCalls(wanted: boolean): void;
  /** What came back since, in order: the chain's place among all that were offered, and the bytes written. */
  collect(): { chain: number; written: number }[];
  /** The first bytes of a chain's room for a response. */
  responseOf(chain: number): number[];
  /** Interrupts since the last call. */
  calls(): number;
  /** Offers the chain that was offered last once more. */
  offerAgain(): void;
  /** Makes the ring senseless. */
  ruin(): void;
  /** Takes the ring's memory from the device, and gives it back. */
  withoutMemory(work: () => void): void;
  /** The driver starts from nothing, on the same memory. */
  restart(): void;
  free(): void;
}

interface Kind {
  name: string;
  make(): Pair;
}

function splitPair(eventIdx: boolean, isRecorded: boolean): Pair {
  const mapped: MappedGuest = mapGuest([{ guestAddress: 0, size: 4 * 2 ** 20 }]);
  const driver = new DriverRing(mapped.guest, { size, eventIdx });
  const record = isRecorded ? createMemfd("inflight", inflightBytes(size)) : -1;
  const scratch = NativeMemory.allocate(64);
  const heads: number[] = [];
  const rooms: { bytes: Uint8Array }[] = [];
  const places = new Map<number, number>();
  const records: InflightRing[] = [];
  const resume = (position: Position): Ring => {
    const inflight = record < 0 ? null : InflightRing.open(record, 0, size);
    if (inflight !== null) records.push(inflight);
    const layout = {
      num: size,
      desc: driver.descriptors.address,
      avail: driver.avail.address,
      used: driver.used.address,
      usedLog: -1,
      eventIdx,
    };
    const ring = new SplitRing(layout, mapped.map, position, inflight);
    ring.callee = new Notifier(driver.callFd);
    return ring;
  };
  const pair: Pair = {
    ring: resume(0),
    chain: new Chain(mapped.map),
    resume,
    offer(count) {
      for (let added = 0; added < count; added++) {
        const buffer = mapped.guest.allocate(16, 16);
        const room = buffer.slice(4, 8);
        const head = driver.add([buffer.slice(0, 4)], [room], true);
        places.set(head, heads.push(head) - 1);
        rooms.push(room);
        driver.offer(head);
      }
      return driver.commit();
    },
    wantCalls: (wanted) => (wanted ? driver.enableCall() : driver.disableCall()),
    collect() {
      const came: { chain: number; written: number }[] = [];
      for (let head = driver.pop(); head >= 0; head = driver.pop()) {
        came.push({ chain: places.get(head)!, written: driver.usedLength });
        driver.release(head);
      }
      return came;
    },
    responseOf: (chain) => [...rooms[chain]!.bytes],
    calls: () => readEventfd(driver.callFd),
    offerAgain() {
      driver.raw.offer(heads.at(-1)!);
      driver.commit();
    },
    ruin: () => driver.raw.availIndex(driver.raw.publishedAvailIndex() + size + 1),
    withoutMemory(work) {
      mapped.map.replace([]);
      work();
      mapped.map.replace(tableOf(mapped.guest.regions));
    },
    restart: () => driver.reset(0),
    free() {
      for (const one of records) one.unmap();
      closeFd(record);
      driver.close();
      mapped.free();
      scratch.unmap();
    },
  };
  return pair;
}

const kinds: Kind[] = [
  { name: "a split ring", make: () => splitPair(false, false) },
  { name: "a split ring with EVENT_IDX", make: () => splitPair(true, false) },
  { name: "a split ring whose chains are recorded", make: () => splitPair(false, true) },
];

for (const { name, make } of kinds) {
  describe(name, () => {
    let pair: Pair;
    const begin = (): Pair => (pair = make());
    afterEach(() => pair.free());

    /** Takes a chain, and fails where there is none. */
    const take = (): number => {
      expect(pair.ring.pop(pair.chain)).toBe(Pop.CHAIN);
      return pair.chain.head;
    };
    const answerAll = (): void => {
      while (pair.ring.pop(pair.chain) === Pop.CHAIN) pair.ring.complete(pair.chain.head, 8);
      pair.ring.publish();
    };

    test("has nothing until something is offered, and then that in order", () => {
      const { ring, chain, offer, collect } = begin();
      expect(ring.pop(chain)).toBe(Pop.EMPTY);
      expect(ring.hasMore()).toBe(false);

      offer(3);
      expect(ring.hasMore()).toBe(true);
      const heads = [take(), take(), take()];
      expect(ring.hasMore()).toBe(false);
      expect(ring.pop(chain)).toBe(Pop.EMPTY);
      heads.forEach((head, written) => ring.complete(head, written));
      ring.publish();

      expect(collect()).toEqual([0, 1, 2].map((at) => ({ chain: at, written: at })));
    });

    test("takes a chain that was put back again, first and once, as if it had not been taken", () => {
      const { ring, chain, offer, collect, resume } = begin();
      offer(2);
      const position = ring.position;
      const first = take();
      ring.putBack(chain);
      expect([ring.position, ring.hasMore(), ring.isFresh]).toEqual([position, true, true]);
      expect(ring.hasTaken(ring.offered())).toBe(false);

      pair.ring = resume(ring.position);
      expect(take()).toBe(first);
      pair.ring.complete(first, 1);
      pair.ring.complete(take(), 2);
      pair.ring.publish();
      expect(pair.ring.hasMore()).toBe(false);
      expect(collect()).toEqual([
        { chain: 0, written: 1 },
        { chain: 1, written: 2 },
      ]);
    });

    test("has room for as many as there are, however often one was put back", () => {
      const { ring, chain, offer, collect } = begin();
      offer(size);
      for (let times = 0; times < 3 * size; times++) {
        take();
        ring.putBack(chain);
      }
      const heads = Array.from({ length: size }, take);
      expect(ring.pop(chain)).toBe(Pop.EMPTY);
      heads.forEach((head) => ring.complete(head, 0));
      ring.publish();
      expect(collect()).toHaveLength(size);
    });

    test("gives chains back in the order in which they are completed", () => {
      const { ring, offer, collect } = begin();
      offer(3);
      const heads = [take(), take(), take()];
      for (const at of [2, 0, 1]) ring.complete(heads[at]!, at);
      ring.publish();

      expect(collect().map(({ chain }) => chain)).toEqual([2, 0, 1]);
    });

    test("shows nothing before it publishes", () => {
      const { ring, offer, collect } = begin();
      offer(2);
      ring.complete(take(), 1);
      expect(collect()).toEqual([]);
      ring.publish();
      expect(collect()).toHaveLength(1);
      ring.publish();
      expect(collect()).toEqual([]);
    });

    test("writes a parked chain's response when it is completed, however long after", () => {
      const { ring, chain, offer, collect, responseOf } = begin();
      const source = NativeMemory.allocate(8);
      new Uint8Array(source.view()).set([1, 2, 3, 4, 5, 6, 7, 8]);
      offer(2);
      take();
      const parked = new ParkedChain();
      chain.park(parked);
      ring.complete(take(), 0);
      ring.completeParked(parked, source.address, 8);
      ring.publish();
      source.unmap();

      expect(collect()).toEqual([
        { chain: 1, written: 0 },
        { chain: 0, written: 8 },
      ]);
      expect(responseOf(0)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
    });

    test("calls once for all that it publishes, where the guest wants that", () => {
      const { ring, offer, calls, collect, wantCalls } = begin();
      for (const wanted of [true, false, true]) {
        wantCalls(wanted);
        offer(3);
        answerAll();
        expect(calls()).toBe(wanted ? 1 : 0);
        expect(collect()).toHaveLength(3);
      }
      ring.publish();
      expect(calls()).toBe(0);
    });

    test("calls again where the guest may have missed a call, and not where nothing was to be told", () => {
      const { ring, offer, calls, wantCalls } = begin();
      wantCalls(true);
      ring.callAgain();
      expect(calls()).toBe(0);
      offer(1);
      answerAll();
      expect(calls()).toBe(1);
      ring.callAgain();
      expect(calls()).toBe(1);
    });

    test("publishes silently what calls for no interrupt, and keeps the rest", () => {
      const { ring, offer, calls, collect, wantCalls } = begin();
      wantCalls(false);
      offer(2);
      ring.complete(take(), 0);
      ring.publishSilently();
      expect(collect()).toHaveLength(1);

      wantCalls(true);
      ring.complete(take(), 0);
      ring.publishSilently();
      expect([collect().length, calls()]).toEqual([0, 0]);
      ring.publish();
      expect([collect().length, calls()]).toEqual([1, 1]);
    });

    test("is kicked when it asks for that, and sees what came meanwhile", () => {
      const { ring, offer } = begin();
      expect(ring.enableKicks()).toBe(false);
      expect(offer(1)).toBe(true);
      ring.disableKicks();
      answerAll();
      offer(1);
      expect(ring.enableKicks()).toBe(true);
    });

    test("knows what was offered before a moment, and whether it was taken", () => {
      const { ring, offer } = begin();
      const nothing = ring.offered();
      expect(ring.hasTaken(nothing)).toBe(true);
      offer(2);
      const two = ring.offered();
      offer(1);
      take();
      expect(ring.hasTaken(two)).toBe(false);
      take();
      expect([ring.hasTaken(two), ring.hasTaken(ring.offered())]).toEqual([true, false]);
    });

    test("goes round and round", () => {
      const { ring, offer, collect } = begin();
      for (let round = 0; round < 20_000; round++) {
        offer(round % size);
        const position = ring.offered();
        answerAll();
        expect(ring.hasTaken(position)).toBe(true);
        expect(collect()).toHaveLength(round % size);
      }
      expect(ring.isFresh).toBe(false);
    });

    test("is fresh until a chain was taken, and again when the driver starts from nothing", () => {
      const { ring, offer, resume, restart } = begin();
      expect(ring.isFresh).toBe(true);
      offer(1);
      answerAll();
      expect(ring.isFresh).toBe(false);
      expect(resume(ring.position).isFresh).toBe(false);
      restart();
      expect(resume(0).isFresh).toBe(true);
    });

    test("goes on at its position, or where the driver has seen it", () => {
      const { ring, offer, collect, resume } = begin();
      offer(3);
      for (let count = 0; count < 2; count++) ring.complete(take(), 0);
      ring.publish();
      for (const position of [ring.position, -1]) {
        pair.ring = resume(position);
        expect(pair.ring.hasMore()).toBe(true);
        take();
        expect(pair.ring.hasMore()).toBe(false);
        if (position !== -1) continue;
        pair.ring.complete(pair.chain.head, 5);
        pair.ring.publish();
      }
      expect(collect()).toEqual([
        { chain: 0, written: 0 },
        { chain: 1, written: 0 },
        { chain: 2, written: 5 },
      ]);
    });

    test("waits while its memory is away, and goes on when that is back", () => {
      const { ring, chain, offer, collect, withoutMemory } = begin();
      offer(1);
      ring.detach();
      withoutMemory(() => {
        expect([ring.pop(chain), ring.hasMore(), ring.enableKicks()]).toEqual([Pop.EMPTY, false, false]);
        expect(ring.hasTaken(ring.offered())).toBe(true);
        ring.disableKicks();
        ring.publish();
        expect(() => ring.attach()).toThrow(Refusal);
      });
      ring.attach();
      answerAll();
      expect(collect()).toHaveLength(1);
    });

    test("is broken by indexes that make no sense", () => {
      const { ring, chain, offer, ruin } = begin();
      offer(1);
      answerAll();
      ruin();
      expect(ring.isBroken).toBe(false);
      expect(ring.pop(chain)).toBe(Pop.BROKEN);
      expect(ring.isBroken).toBe(true);
    });

    test("has nobody wait for what was offered by an index that makes no sense", () => {
      const { ring, offer, ruin } = begin();
      offer(1);
      answerAll();
      ruin();
      expect(ring.hasTaken(ring.offered())).toBe(true);
    });

    test("is crowded by a chain that is offered again while all are under way", () => {
      const { ring, chain, offer, offerAgain } = begin();
      offer(size);
      for (let count = 0; count < size; count++) take();
      expect(ring.pop(chain)).toBe(Pop.EMPTY);
      offerAgain();
      expect(ring.isBroken).toBe(false);
      expect(ring.pop(chain)).toBe(Pop.CROWDED);
      expect(ring.isBroken).toBe(true);
    });

    test("needs nobody to call", () => {
      const { ring, offer, collect, calls } = begin();
      ring.callee = Notifier.none;
      offer(1);
      answerAll();
      expect([collect().length, calls()]).toEqual([1, 0]);
    });
  });
}
