// The device's side of a split ring against the synthetic driver's: indexes, calls and kicks, hostile values,
// a new start after a crash, and memory that changes under a running ring.
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { DriverRing } from "../../../lab/driver/driver-ring.ts";
import { closeFd, createMemfd } from "../../../src/transport/os/fds.ts";
import { NativeMemory } from "../../../src/transport/os/native-memory.ts";
import { Notifier } from "../../../src/transport/os/notifier.ts";
import { Chain, ChainFault, ParkedChain } from "../../../src/transport/virtio/chain.ts";
import { answersBytes, InflightRing } from "../../../src/transport/virtio/inflight.ts";
import { inflightBytes, usedBytes } from "../../../src/transport/virtio/layout.ts";
import { Pop, type RingLayout } from "../../../src/transport/virtio/ring.ts";
import { SplitRing } from "../../../src/transport/virtio/split-ring.ts";
import { readEventfd } from "../../support/fds.ts";
import { type MappedGuest, mapGuest, tableOf } from "../../support/guest-map.ts";

const page = 4096;
let mapped: MappedGuest;
let drivers: DriverRing[];
let scratch: NativeMemory;
beforeEach(() => {
  mapped = mapGuest([
    { guestAddress: 0, size: 2 * 2 ** 20 },
    { guestAddress: 2 ** 32, size: 2 ** 20 },
  ]);
  drivers = [];
  scratch = NativeMemory.allocate(page);
});
afterEach(() => {
  for (const driver of drivers) driver.close();
  mapped.free();
  scratch.unmap();
});

function makeDriver(size = 8, eventIdx = false): DriverRing {
  const driver = new DriverRing(mapped.guest, { size, eventIdx });
  drivers.push(driver);
  return driver;
}

const layoutOf = (driver: DriverRing, eventIdx = false, usedLog = -1): RingLayout => ({
  num: driver.size,
  desc: driver.descriptors.address,
  avail: driver.avail.address,
  used: driver.used.address,
  usedLog,
  eventIdx,
});

function makeDevice(
  driver: DriverRing,
  base = 0,
  eventIdx = false,
  inflight: InflightRing | null = null,
): SplitRing {
  const ring = new SplitRing(layoutOf(driver, eventIdx), mapped.map, base, inflight);
  ring.callee = new Notifier(driver.callFd);
  return ring;
}

/** A driver and a device that talk from index `base` on. */
function pair({ size = 8, eventIdx = false, base = 0 } = {}): {
  driver: DriverRing;
  ring: SplitRing;
  chain: Chain;
} {
  const driver = makeDriver(size, eventIdx);
  driver.reset(base);
  return { driver, ring: makeDevice(driver, base, eventIdx), chain: new Chain(mapped.map) };
}

/** Offers one chain of four readable and eight writable bytes; answers its head. */
function offer(driver: DriverRing): number {
  const buffer = mapped.guest.allocate(16, 16);
  const head = driver.add([buffer.slice(0, 4)], [buffer.slice(4, 8)]);
  driver.offer(head);
  return head;
}

/** Takes everything; answers the heads. */
function popAll(ring: SplitRing, chain: Chain): number[] {
  const heads: number[] = [];
  while (ring.pop(chain) === Pop.CHAIN) heads.push(chain.head);
  return heads;
}

describe("taking and returning", () => {
  test("an empty ring is empty", () => {
    const { ring, chain } = pair();

    expect(ring.pop(chain)).toBe(Pop.EMPTY);
    expect(ring.hasMore()).toBe(false);
  });

  test("chains are taken in the order of the avail ring", () => {
    const { driver, ring, chain } = pair();
    const heads = [offer(driver), offer(driver), offer(driver)];
    driver.commit();

    expect(ring.hasMore()).toBe(true);
    expect(popAll(ring, chain)).toEqual(heads);
    expect(ring.hasMore()).toBe(false);
    expect(ring.position).toBe(3);
  });

  test("what is completed is seen once it is published", () => {
    const { driver, ring, chain } = pair();
    const head = offer(driver);
    driver.commit();
    ring.pop(chain);

    ring.complete(head, 8);
    expect(driver.pop()).toBe(-1);
    ring.publish();

    expect(driver.pop()).toBe(head);
    expect(driver.usedLength).toBe(8);
  });

  test("chains may be completed in any order", () => {
    const { driver, ring, chain } = pair();
    const heads = [offer(driver), offer(driver), offer(driver)];
    driver.commit();
    popAll(ring, chain);

    for (const head of heads.toReversed()) ring.complete(head, 0);
    ring.publish();

    expect([driver.pop(), driver.pop(), driver.pop()]).toEqual(heads.toReversed());
  });

  test("a parked chain is completed after others were taken", () => {
    const { driver, ring, chain } = pair();
    const first = offer(driver);
    offer(driver);
    driver.commit();
    ring.pop(chain);
    const parked = new ParkedChain();
    chain.park(parked);
    ring.pop(chain);

    ring.completeParked(parked, scratch.address, 5);
    ring.publish();

    expect(driver.pop()).toBe(first);
    expect(driver.usedLength).toBe(5);
  });

  for (const size of [1, 2, 64, 32768]) {
    test(`indexes wrap at 65536 in a ring of ${size}`, () => {
      const { driver, ring, chain } = pair({ size, base: 65536 - 3 });
      const buffer = mapped.guest.allocate(16, 16);
      const head = driver.add([], [buffer]);

      for (let round = 0; round < 10; round++) {
        driver.offer(head);
        driver.commit();
        expect(ring.pop(chain)).toBe(Pop.CHAIN);
        ring.complete(chain.head, round);
        ring.publish();
        expect(driver.pop()).toBe(head);
        expect(driver.usedLength).toBe(round);
      }

      expect(ring.position).toBe(7);
      expect(driver.raw.usedIndex()).toBe(7);
    });
  }

  test("the last slot of the largest ring is used", () => {
    const { driver, ring, chain } = pair({ size: 32768 });
    driver.raw.descriptor(32767, 0, 4, 0);
    for (let count = 0; count < 32768; count++) driver.raw.offer(32767);
    driver.raw.availIndex(32768);

    let popped = 0;
    while (ring.pop(chain) === Pop.CHAIN) {
      ring.complete(chain.head, popped++);
    }
    ring.publish();

    expect(popped).toBe(32768);
    expect(driver.used.words[1 + 2 * 32767]).toBe(32767);
    expect(driver.used.words[2 + 2 * 32767]).toBe(32767);
  });
});

describe("calls", () => {
  test("without EVENT_IDX each publish calls once, unless the driver asks for none", () => {
    const { driver, ring, chain } = pair();
    for (let count = 0; count < 4; count++) offer(driver);
    driver.commit();
    const heads = popAll(ring, chain);

    ring.complete(heads[0]!, 0);
    ring.complete(heads[1]!, 0);
    ring.publish();
    expect(readEventfd(driver.callFd)).toBe(1);
    ring.publish();
    expect(readEventfd(driver.callFd)).toBe(0);
    driver.disableCall();
    ring.complete(heads[2]!, 0);
    ring.publish();
    expect(readEventfd(driver.callFd)).toBe(0);
    driver.enableCall();
    ring.complete(heads[3]!, 0);
    ring.publish();
    expect(readEventfd(driver.callFd)).toBe(1);
  });

  test("with EVENT_IDX only the index that the driver asked for calls", () => {
    const { driver, ring, chain } = pair({ eventIdx: true });
    for (let count = 0; count < 4; count++) offer(driver);
    driver.commit();
    const heads = popAll(ring, chain);
    driver.enableCall(3);

    const calls = heads.map((head) => {
      ring.complete(head, 0);
      ring.publish();
      return readEventfd(driver.callFd);
    });

    expect(calls).toEqual([0, 0, 1, 0]);
  });

  test("with EVENT_IDX a batch that passes the index calls once", () => {
    const { driver, ring, chain } = pair({ eventIdx: true });
    for (let count = 0; count < 4; count++) offer(driver);
    driver.commit();
    const heads = popAll(ring, chain);
    driver.enableCall(2);

    for (const head of heads) ring.complete(head, 0);
    ring.publish();

    expect(readEventfd(driver.callFd)).toBe(1);
  });

  for (const base of [65534, 65535, 0, 32767]) {
    test(`EVENT_IDX is right where the used index is ${base}`, () => {
      for (const wanted of [1, 2, 3]) {
        const { driver, ring, chain } = pair({ eventIdx: true, base });
        for (let count = 0; count < 4; count++) offer(driver);
        driver.commit();
        const heads = popAll(ring, chain);
        driver.enableCall(wanted);

        const calls = heads.map((head) => {
          ring.complete(head, 0);
          ring.publish();
          return readEventfd(driver.callFd);
        });

        expect(calls.indexOf(1)).toBe(wanted - 1);
        expect(calls.filter((call) => call === 1)).toHaveLength(1);
      }
    });
  }

  test("a driver that polls with EVENT_IDX is not called for 65535 chains", () => {
    const { driver, ring, chain } = pair({ eventIdx: true, size: 1 });
    const head = driver.add([], [mapped.guest.allocate(16, 16)]);
    driver.disableCall();
    let calls = 0;

    for (let count = 0; count < 65535; count++) {
      driver.offer(head);
      driver.commit();
      ring.pop(chain);
      ring.complete(chain.head, 0);
      ring.publish();
      calls += readEventfd(driver.callFd);
      driver.pop();
    }

    expect(calls).toBe(0);
  });

  test("without a call descriptor nothing is called", () => {
    const { driver, ring, chain } = pair();
    ring.callee = Notifier.none;
    offer(driver);
    driver.commit();
    ring.pop(chain);
    ring.complete(chain.head, 0);

    expect(() => ring.publish()).not.toThrow();
    expect(readEventfd(driver.callFd)).toBe(0);
  });
});

describe("kicks", () => {
  for (const eventIdx of [false, true]) {
    const name = eventIdx ? "with EVENT_IDX" : "without EVENT_IDX";

    test(`${name} an awake device is not kicked, a sleeping one is`, () => {
      const { driver, ring, chain } = pair({ eventIdx });
      expect(ring.enableKicks()).toBe(false);
      offer(driver);
      expect(driver.commit()).toBe(true);

      ring.disableKicks();
      popAll(ring, chain);
      offer(driver);
      expect(driver.commit()).toBe(false);
      popAll(ring, chain);

      expect(ring.enableKicks()).toBe(false);
      offer(driver);
      expect(driver.commit()).toBe(true);
    });

    test(`${name} asking for kicks says what came before it`, () => {
      const { driver, ring } = pair({ eventIdx });
      ring.disableKicks();
      offer(driver);
      driver.commit();

      expect(ring.enableKicks()).toBe(true);
    });

    test(`${name} a kick is wanted where the index wraps`, () => {
      for (const base of [65534, 65535, 0]) {
        const { driver, ring } = pair({ eventIdx, base });
        expect(ring.enableKicks()).toBe(false);
        offer(driver);
        offer(driver);
        expect(driver.commit()).toBe(true);
      }
    });
  }
});

describe("hostile drivers", () => {
  test("an avail index that jumps by more than the queue breaks the ring", () => {
    for (const jump of [9, 1000, 0x8000, 0xffff]) {
      const { driver, ring, chain } = pair();
      driver.raw.availIndex(jump);

      expect(ring.pop(chain)).toBe(Pop.BROKEN);
      expect(ring.position).toBe(0);
    }
  });

  test("an avail index that jumps by the whole queue is sound", () => {
    const { driver, ring, chain } = pair();
    driver.raw.descriptor(0, 0, 4, 0);
    driver.raw.availIndex(8);

    expect(popAll(ring, chain)).toEqual([0, 0, 0, 0, 0, 0, 0, 0]);
  });

  test("an avail index that goes back breaks the ring", () => {
    const { driver, ring, chain } = pair();
    driver.raw.descriptor(0, 0, 4, 0);
    driver.raw.availIndex(3);
    popAll(ring, chain);
    driver.raw.availIndex(2);

    expect(ring.pop(chain)).toBe(Pop.BROKEN);
  });

  test("a chain that is offered again before it was used breaks the ring when descriptors could not be enough", () => {
    const { driver, ring, chain } = pair();
    driver.raw.descriptor(0, 0, 4, 0);
    for (let count = 0; count < 8; count++) {
      driver.raw.offer(0);
      driver.commit();
      expect(ring.pop(chain)).toBe(Pop.CHAIN);
    }
    expect(ring.pop(chain)).toBe(Pop.EMPTY);
    driver.raw.offer(0);
    driver.commit();
    expect(ring.pop(chain)).toBe(Pop.CROWDED);
    expect(ring.position).toBe(8);
  });

  test("a ring whose descriptors are all under way goes on when one is used", () => {
    const { driver, ring, chain } = pair();
    driver.raw.descriptor(0, 0, 4, 0);
    for (let count = 0; count < 100; count++) {
      driver.raw.offer(0);
      driver.commit();
      expect(ring.pop(chain)).toBe(Pop.CHAIN);
      if (count >= 7) ring.complete(0, 0);
    }
  });

  test("a head outside of the table is skipped and the next one taken", () => {
    const { driver, ring, chain } = pair();
    driver.raw.offer(8);
    driver.raw.offer(0xffff);
    const head = offer(driver);
    driver.commit();

    expect(ring.pop(chain)).toBe(Pop.SKIPPED);
    expect(ring.pop(chain)).toBe(Pop.SKIPPED);
    expect(ring.pop(chain)).toBe(Pop.CHAIN);
    expect(chain.head).toBe(head);
  });

  test("a chain with a fault is taken, and says so", () => {
    const { driver, ring, chain } = pair();
    driver.raw.descriptor(2, 0, 4, 1, 2);
    driver.raw.offer(2);
    driver.commit();

    expect(ring.pop(chain)).toBe(Pop.CHAIN);
    expect(chain.head).toBe(2);
    expect(chain.fault).toBe(ChainFault.loop);
  });

  test("what is added while a batch is taken is taken with it", () => {
    const { driver, ring, chain } = pair();
    offer(driver);
    driver.commit();
    ring.pop(chain);
    offer(driver);
    driver.commit();

    expect(ring.pop(chain)).toBe(Pop.CHAIN);
    expect(ring.pop(chain)).toBe(Pop.EMPTY);
  });
});

describe("where a ring starts", () => {
  test("at the base that the front-end names", () => {
    const { driver, ring, chain } = pair({ base: 1234 });
    const head = offer(driver);
    driver.commit();

    expect(ring.position).toBe(1234);
    expect(popAll(ring, chain)).toEqual([head]);
    ring.complete(head, 1);
    ring.publish();
    expect(driver.pop()).toBe(head);
  });

  test("with -1 at the used index, so that what was taken and not answered is taken again", () => {
    const { driver, ring, chain } = pair();
    const heads = [offer(driver), offer(driver), offer(driver)];
    driver.commit();
    popAll(ring, chain);
    ring.complete(heads[0]!, 0);
    ring.publish();
    ring.detach();

    const successor = makeDevice(driver, -1);

    expect(successor.position).toBe(1);
    expect(popAll(successor, chain)).toEqual(heads.slice(1));
  });

  test("a ring is fresh at index zero only", () => {
    const fresh = pair();
    expect(fresh.ring.isFresh).toBe(true);
    offer(fresh.driver);
    fresh.driver.commit();
    fresh.ring.pop(fresh.chain);
    expect(fresh.ring.isFresh).toBe(false);

    expect(pair({ base: 1 }).ring.isFresh).toBe(false);
    expect(pair({ base: 65535 }).ring.isFresh).toBe(false);
  });

  test("a fresh ring may have chains waiting", () => {
    const driver = makeDriver();
    offer(driver);
    driver.commit();

    expect(makeDevice(driver).isFresh).toBe(true);
  });

  test("a ring that came round to index zero is not fresh", () => {
    const { driver, ring, chain } = pair({ base: 65535 });
    const head = offer(driver);
    driver.commit();
    ring.pop(chain);
    ring.complete(head, 8);
    ring.publish();
    ring.detach();

    const resumed = makeDevice(driver, ring.position);

    expect(resumed.position).toBe(0);
    expect(resumed.isFresh).toBe(false);
  });

  test("parts that are misaligned or outside of memory are named", () => {
    const driver = makeDriver();
    const layout = layoutOf(driver);
    const make = (change: Partial<RingLayout>) => () =>
      new SplitRing({ ...layout, ...change }, mapped.map, 0);

    expect(make({ desc: layout.desc + 8 })).toThrow(/descriptor table .* is misaligned/);
    expect(make({ avail: layout.avail + 1 })).toThrow(/avail ring .* is misaligned/);
    expect(make({ used: layout.used + 2 })).toThrow(/used ring .* is misaligned/);
    expect(make({ desc: 2 ** 31 })).toThrow(/descriptor table at guest address 0x80000000 is outside/);
    expect(make({ avail: 2 * 2 ** 20 - 4 })).toThrow(/avail ring .* is outside/);
    expect(make({ used: 2 * 2 ** 20 - 64 })).toThrow(/used ring .* is outside/);
    expect(make({ num: 32768, desc: 2 ** 32 + 2 ** 20 - page })).toThrow(/descriptor table .* is outside/);
  });

  test("parts may end with the last byte of memory", () => {
    const driver = makeDriver();
    const end = 2 ** 32 + 2 ** 20;

    for (const change of [{ desc: end - 128 }, { avail: end - 22 }, { used: end - 72 }]) {
      expect(() => new SplitRing({ ...layoutOf(driver), ...change }, mapped.map, 0)).not.toThrow();
    }
  });
});

describe("memory that changes", () => {
  test("a ring goes on where it was after detach and attach", () => {
    const { driver, ring, chain } = pair();
    offer(driver);
    driver.commit();
    const [first] = popAll(ring, chain);

    ring.detach();
    mapped.map.replace(tableOf(mapped.guest.regions, 10));
    ring.attach();
    const second = offer(driver);
    driver.commit();

    expect(popAll(ring, chain)).toEqual([second]);
    ring.complete(first!, 3);
    ring.complete(second, 4);
    ring.publish();
    expect([driver.pop(), driver.pop()]).toEqual([first!, second]);
  });

  test("a detached ring has nothing, takes nothing and publishes nothing", () => {
    const { driver, ring, chain } = pair();
    for (let count = 0; count < 3; count++) offer(driver);
    driver.commit();
    // The avail index is known to the device from here on.
    ring.pop(chain);
    const taken = chain.head;
    ring.detach();

    expect(ring.hasMore()).toBe(false);
    expect(ring.enableKicks()).toBe(false);
    expect(ring.pop(chain)).toBe(Pop.EMPTY);
    expect(ring.position).toBe(1);
    ring.disableKicks();
    ring.complete(taken, 0);
    ring.publish();
    expect(driver.pop()).toBe(-1);
  });

  test("a ring whose memory has gone cannot be attached", () => {
    const { ring } = pair();
    ring.detach();
    mapped.map.replace(tableOf([mapped.guest.regions[1]!], 20));

    expect(() => ring.attach()).toThrow(/outside of guest memory/);
  });
});

describe("the dirty log", () => {
  test("completions and the index are marked where the front-end says", () => {
    const driver = makeDriver();
    const logAt = 0x123000;
    const ring = new SplitRing(layoutOf(driver, false, logAt), mapped.map, 0);
    const marks: [number, number][] = [];
    mapped.map.dirtyLog = {
      mark: (address: number, length: number) => marks.push([address, length]),
    } as never;

    ring.complete(1, 0);
    ring.complete(2, 0);
    ring.publish();

    expect(marks).toEqual([
      [logAt + 4, 8],
      [logAt + 12, 8],
      [logAt, 4],
    ]);
    ring.logUsedAt(-1);
    ring.complete(3, 0);
    ring.publish();
    expect(marks).toHaveLength(3);
    mapped.map.dirtyLog = null;
  });

  test("whoever takes a ring over marks all that the one before may have written last", () => {
    const driver = makeDriver();
    const marks: [number, number][] = [];
    mapped.map.dirtyLog = {
      mark: (address: number, length: number) => marks.push([address, length]),
    } as never;

    void new SplitRing(layoutOf(driver, false, 0x123000), mapped.map, -1);

    expect(marks).toEqual([[0x123000, usedBytes(driver.size)]]);
    mapped.map.dirtyLog = null;
  });
});

describe("the inflight record", () => {
  let fd: number;
  let shared: NativeMemory;
  const records: InflightRing[] = [];
  beforeEach(() => {
    fd = createMemfd("inflight", inflightBytes(8));
    shared = NativeMemory.mapShared(fd, 0, inflightBytes(8), "write");
  });
  afterEach(() => {
    for (const record of records.splice(0)) record.unmap();
    shared.unmap();
    closeFd(fd);
  });

  function recorded(driver: DriverRing, base = 0): SplitRing {
    const record = InflightRing.open(fd, 0, 8);
    records.push(record);
    return makeDevice(driver, base, false, record);
  }

  test("a successor takes exactly what was not answered, in the same order, and then what is new", () => {
    const { driver, chain } = pair();
    const ring = recorded(driver);
    const heads = [offer(driver), offer(driver), offer(driver)];
    driver.commit();
    popAll(ring, chain);
    ring.complete(heads[1]!, 0);
    ring.publish();
    const late = offer(driver);
    driver.commit();

    const successor = recorded(driver);

    expect(successor.hasMore()).toBe(true);
    expect(popAll(successor, chain)).toEqual([heads[0]!, heads[2]!, late]);
    expect(successor.position).toBe(4);
    for (const head of [heads[0]!, heads[2]!, late]) successor.complete(head, 0);
    successor.publish();
    expect([driver.pop(), driver.pop(), driver.pop(), driver.pop()]).toEqual([
      heads[1]!,
      heads[0]!,
      heads[2]!,
      late,
    ]);
  });

  test("a second death in the middle of that keeps the order", () => {
    const { driver, chain } = pair();
    const ring = recorded(driver);
    const heads = [offer(driver), offer(driver), offer(driver)];
    driver.commit();
    popAll(ring, chain);
    recorded(driver).pop(chain);

    expect(popAll(recorded(driver), chain)).toEqual(heads);
  });

  test("a record with nothing under way starts at the used index", () => {
    const { driver, chain } = pair({ base: 100 });
    const ring = recorded(driver, 100);
    const head = offer(driver);
    driver.commit();

    expect(ring.position).toBe(100);
    expect(popAll(ring, chain)).toEqual([head]);
  });

  test("heads that were offered and that there are not count for a successor of our own, also behind a pause", () => {
    const { driver, chain } = pair();
    const answers = new Uint32Array(answersBytes(8) / 4);
    const own = (base: number): SplitRing => {
      const record = InflightRing.open(fd, 0, 8, answers);
      records.push(record);
      return makeDevice(driver, base, false, record);
    };
    const run = (ring: SplitRing): void => {
      const head = offer(driver);
      driver.offer(99);
      driver.commit();
      expect(ring.pop(chain)).toBe(Pop.CHAIN);
      expect([ring.pop(chain), ring.pop(chain)]).toEqual([Pop.SKIPPED, Pop.EMPTY]);
      ring.complete(head, 0);
      ring.publish();
      driver.pop();
    };
    run(own(0));
    const successor = own(-1);
    expect(popAll(successor, chain)).toEqual([]);
    run(successor);

    // As the session does where a VMM stops the ring and starts it again.
    const paused = successor.position;
    answers.fill(0);
    new Uint8Array(shared.view()).fill(0);
    run(own(paused));

    const last = own(-1);
    expect(popAll(last, chain)).toEqual([]);
    expect(last.position).toBe(6);
  });

  test("heads that the ring does not have are skipped", () => {
    const driver = makeDriver(2);
    const record = InflightRing.open(fd, 0, 8);
    records.push(record);
    record.recover(0);
    record.take(7);
    record.take(1);
    const ring = recorded(driver);
    const chain = new Chain(mapped.map);

    expect(ring.pop(chain)).toBe(Pop.SKIPPED);
    expect(ring.pop(chain)).toBe(Pop.CHAIN);
    expect(chain.head).toBe(1);
  });
});
