// The driver's ring against a device of a few lines.

import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { DriverRing } from "../../lab/driver/driver-ring.ts";
import { GuestMemory } from "../../lab/driver/guest-memory.ts";
import { EchoDevice } from "./echo-device.ts";

const mebibyte = 2 ** 20;
let memory: GuestMemory;
let rings: DriverRing[];

beforeEach(() => {
  memory = new GuestMemory([{ guestAddress: 2 ** 33, size: 4 * mebibyte }]);
  rings = [];
});

afterEach(() => {
  for (const ring of rings) ring.close();
  memory.free();
});

function makeRing(size: number, eventIdx = true): DriverRing {
  const ring = new DriverRing(memory, { size, eventIdx });
  rings.push(ring);
  return ring;
}

describe("chains", () => {
  for (const indirect of [false, true]) {
    test(`${indirect ? "indirect" : "direct"} chains arrive with every range in order`, () => {
      const ring = makeRing(8);
      const device = new EchoDevice(memory, ring);
      const readable = [memory.allocate(3, 1), memory.allocate(0, 1), memory.allocate(5, 1)];
      const writable = [memory.allocate(4, 1), memory.allocate(4, 1)];
      memory.scatter(Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8), readable);
      const head = ring.add(readable, writable, indirect);
      expect(ring.free).toBe(indirect ? 7 : 3);
      ring.offer(head);
      ring.commit();
      device.serve();
      const places = (ranges: readonly { address: number; length: number }[]) =>
        ranges.map(({ address, length }) => ({ address, length }));
      expect(device.seen).toEqual([{ head, readable: places(readable), writable: places(writable) }]);
      expect(ring.pop()).toBe(head);
      expect(ring.usedLength).toBe(8);
      expect([...memory.gather(writable)]).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
      ring.release(head);
      expect(ring.free).toBe(8);
      expect(ring.inFlight).toBe(0);
    });
  }

  test("a full ring answers -1 and takes chains again after a release", () => {
    const ring = makeRing(4);
    const device = new EchoDevice(memory, ring);
    const range = [memory.allocate(8)];
    const heads = [ring.add(range, range), ring.add(range, range)];
    expect(ring.add(range, [])).toBe(-1);
    for (const head of heads) ring.offer(head);
    ring.commit();
    device.serve();
    ring.release(ring.pop());
    expect(ring.add(range, [])).not.toBe(-1);
  });

  test("a chain can be offered again and again", () => {
    const ring = makeRing(2);
    const device = new EchoDevice(memory, ring);
    const head = ring.add([memory.allocate(4)], [memory.allocate(4)]);
    // Beyond the 16 bits of an index.
    for (let round = 0; round < 70_000; round++) {
      ring.offer(head);
      ring.commit();
      device.serve(false);
      if (ring.pop() !== head) throw new Error(`no answer in round ${round}`);
    }
    expect(ring.hasUsed()).toBe(false);
    expect(ring.base).toBe(70_000 & 0xffff);
  });

  test("random chains come back in any order without losing a descriptor", () => {
    const ring = makeRing(64);
    const device = new EchoDevice(memory, ring);
    const range = memory.allocate(16);
    let seed = 7;
    const random = (below: number) => (seed = (seed * 1_103_515_245 + 12_345) & 0x7fff_ffff) % below;
    const held: number[] = [];
    for (let round = 0; round < 5000; round++) {
      const head = ring.add(
        Array.from({ length: 1 + random(6) }, () => range),
        [range],
        random(3) === 0,
      );
      if (head < 0) {
        ring.commit();
        device.serve(false);
        for (let used = ring.pop(); used >= 0; used = ring.pop()) held.push(used);
        while (held.length > 0) ring.release(held.splice(random(held.length), 1)[0]!);
        expect(ring.free).toBe(64);
      } else ring.offer(head);
    }
  });

  test("a head that was not offered is an error of the device", () => {
    const ring = makeRing(4);
    ring.used.words[1] = 3;
    Atomics.store(ring.used.halfwords, 1, 1);
    expect(() => ring.pop()).toThrow("chain 3");
  });

  for (const size of [0, 3, 65_536]) {
    test(`a queue of ${size} descriptors is refused`, () => {
      expect(() => new DriverRing(memory, { size, eventIdx: true })).toThrow(RangeError);
    });
  }
});

describe("notifications", () => {
  test("with EVENT_IDX a kick goes out only when the device's event index is passed", () => {
    const ring = makeRing(16);
    const head = ring.add([memory.allocate(4)], []);
    const availEvent = (value: number) => (ring.used.halfwords[2 + 4 * ring.size] = value);
    const publish = (count: number) => {
      for (let at = 0; at < count; at++) ring.offer(head);
      return ring.commit();
    };
    availEvent(0);
    expect(publish(1)).toBe(true);
    expect(publish(1)).toBe(false);
    availEvent(4);
    expect(publish(2)).toBe(false);
    expect(publish(3)).toBe(true);
    expect(ring.commit()).toBe(false);
    expect({ kicks: ring.kicks, suppressed: ring.kicksSuppressed }).toEqual({ kicks: 2, suppressed: 2 });
  });

  test("without EVENT_IDX the used flag suppresses kicks", () => {
    const ring = makeRing(4, false);
    const head = ring.add([memory.allocate(4)], []);
    ring.offer(head);
    expect(ring.commit()).toBe(true);
    ring.used.halfwords[0] = 1;
    ring.offer(head);
    expect(ring.commit()).toBe(false);
  });

  test("interrupts are asked for and waived where the device looks for that", () => {
    const eventful = makeRing(4);
    const usedEvent = () => eventful.avail.halfwords[2 + eventful.size];
    expect(eventful.enableCall()).toBe(false);
    expect(usedEvent()).toBe(0);
    expect(eventful.enableCall(3)).toBe(false);
    expect(usedEvent()).toBe(2);
    eventful.disableCall();
    expect(usedEvent()).toBe(0xffff);
    const plain = makeRing(4, false);
    plain.disableCall();
    expect(plain.avail.halfwords[0]).toBe(1);
    plain.enableCall();
    expect(plain.avail.halfwords[0]).toBe(0);
  });

  test("asking for an interrupt that is late already says so", () => {
    const ring = makeRing(4);
    const device = new EchoDevice(memory, ring);
    ring.offer(ring.add([memory.allocate(4)], []));
    ring.commit();
    device.serve();
    expect(ring.enableCall()).toBe(true);
    expect(ring.enableCall(2)).toBe(false);
  });
});

test("a reset ring starts at the base that it is given", () => {
  const ring = makeRing(4);
  ring.offer(ring.add([memory.allocate(4)], []));
  ring.commit();
  ring.reset(65_535);
  expect(ring).toMatchObject({ free: 4, inFlight: 0, base: 65_535 });
  const device = new EchoDevice(memory, ring, 65_535);
  const head = ring.add([memory.allocate(4)], []);
  for (let round = 0; round < 3; round++) {
    ring.offer(head);
    ring.commit();
    expect(device.serve()).toBe(1);
    expect(ring.pop()).toBe(head);
  }
  expect(ring.base).toBe(2);
});
