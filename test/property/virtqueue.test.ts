// Random chains carry exactly the bytes that a naive driver put there, and random interleavings of driver and device
// lose, repeat and reorder nothing, wherever the indexes wrap.
import { afterAll, expect, test } from "bun:test";
import fc from "fast-check";
import { writeDescriptor } from "../../lab/driver/descriptor-table.ts";
import { DriverRing } from "../../lab/driver/driver-ring.ts";
import { closeFd, createMemfd } from "../../src/transport/os/fds.ts";
import { NativeMemory } from "../../src/transport/os/native-memory.ts";
import { Notifier } from "../../src/transport/os/notifier.ts";
import { Chain, ChainFault, ParkedChain } from "../../src/transport/virtio/chain.ts";
import { InflightRing } from "../../src/transport/virtio/inflight.ts";
import { DescriptorFlag, inflightBytes } from "../../src/transport/virtio/layout.ts";
import { Pop } from "../../src/transport/virtio/ring.ts";
import { SplitRing } from "../../src/transport/virtio/split-ring.ts";
import { readEventfd } from "../support/fds.ts";
import { type MappedGuest, mapGuest } from "../support/guest-map.ts";

const page = 4096;
const arena = 8 * page;
// Chains lie in the first two regions, which touch in the middle of the arena; rings in the third.
const mapped: MappedGuest = mapGuest([
  { guestAddress: 0, size: 4 * page },
  { guestAddress: 4 * page, size: 4 * page },
  { guestAddress: 2 ** 32, size: 64 * 2 ** 20 },
]);
const { guest, map } = mapped;
const rings = guest.regions[2]!;
const scratch = NativeMemory.allocate(2 * arena);
const scratchBytes = new Uint8Array(scratch.view());
afterAll(() => {
  mapped.free();
  scratch.unmap();
});

const split = (address: number, length: number): { address: number; length: number }[] =>
  address < 4 * page && address + length > 4 * page
    ? [
        { address, length: 4 * page - address },
        { address: 4 * page, length: address + length - 4 * page },
      ]
    : [{ address, length }];

const bytesAt = (address: number, length: number): Uint8Array => guest.gather(split(address, length));

interface Piece {
  length: number;
  gap: number;
}

/** Pieces that lie one behind another in the arena, in a random order of use. */
const pieces = (max: number) =>
  fc.array(
    fc.record({ length: fc.oneof(fc.constantFrom(0, 1, 2), fc.nat(40), fc.nat(600)), gap: fc.nat(9) }),
    { maxLength: max },
  );

interface Placed {
  address: number;
  length: number;
  write: boolean;
}

function place(
  readable: readonly Piece[],
  writable: readonly Piece[],
  start: number,
  seed: number,
): Placed[] {
  let address = start;
  const all = [...readable, ...writable].map(({ length, gap }, index) => {
    address += gap;
    const placed = { address, length, write: index >= readable.length };
    address += length;
    return placed;
  });
  // Shuffles the places of descriptors of the same kind, not their order in the chain.
  const shuffle = (kind: boolean): void => {
    const of = all.filter(({ write }) => write === kind);
    of.forEach((one, index) => {
      const other = of[(index * 7 + seed) % of.length]!;
      [one.address, other.address] = [other.address, one.address];
      [one.length, other.length] = [other.length, one.length];
    });
  };
  shuffle(false);
  shuffle(true);
  return all;
}

const shape = fc.record({
  readable: pieces(12),
  writable: pieces(12),
  start: fc.integer({ min: 2 * page, max: 4 * page }),
  seed: fc.nat(),
  /** Descriptors before the indirect table; all where it is more than there are. */
  direct: fc.nat(30),
  slots: fc.shuffledSubarray(
    Array.from({ length: 32 }, (_, index) => index),
    { minLength: 32 },
  ),
  responseLength: fc.nat(arena),
});

function loadShape(chain: Chain, placed: readonly Placed[], direct: number, slots: readonly number[]): void {
  const table = new Uint32Array(32 * 4);
  const isDirect = direct >= placed.length;
  const outer = isDirect ? placed : placed.slice(0, direct);
  const inner = placed.slice(outer.length);
  outer.forEach(({ address, length, write }, index) => {
    const more = index + 1 < placed.length;
    const flags = (write ? DescriptorFlag.WRITE : 0) | (more ? DescriptorFlag.NEXT : 0);
    writeDescriptor(table, slots[index]!, address, length, flags, more ? slots[index + 1]! : 0);
  });
  if (inner.length > 0) {
    const words = new Uint32Array(rings.buffer, 32 * 2 ** 20, inner.length * 4);
    inner.forEach(({ address, length, write }, index) => {
      const more = index + 1 < inner.length;
      const flags = (write ? DescriptorFlag.WRITE : 0) | (more ? DescriptorFlag.NEXT : 0);
      writeDescriptor(words, index, address, length, flags, more ? index + 1 : 0);
    });
    const at = rings.guestAddress + 32 * 2 ** 20;
    writeDescriptor(table, slots[outer.length]!, at, inner.length * 16, DescriptorFlag.INDIRECT, 0);
  }
  chain.load(slots[0]!, table, 32);
}

test("requests arrive and responses are placed as a naive driver has it", () => {
  const chain = new Chain(map);
  fc.assert(
    fc.property(shape, ({ readable, writable, start, seed, direct, slots, responseLength }) => {
      fc.pre(readable.length + writable.length > 0);
      const placed = place(readable, writable, start, seed);
      guest.scatter(
        Uint8Array.from({ length: arena }, (_, at) => (at * 13 + seed) & 0xff),
        split(0, arena),
      );
      const model = bytesAt(0, arena);
      const request = placed
        .filter(({ write }) => !write)
        .flatMap((one) => [...bytesAt(one.address, one.length)]);
      const room = placed.filter(({ write }) => write).reduce((sum, { length }) => sum + length, 0);

      loadShape(chain, placed, direct, slots);
      expect(chain.fault).toBe(ChainFault.none);
      expect([chain.readableBytes, chain.writableBytes]).toEqual([request.length, room]);
      expect(chain.copyRequest(scratch.address, arena)).toBe(request.length);
      expect(Buffer.compare(scratchBytes.subarray(0, request.length), Uint8Array.from(request))).toBe(0);

      scratchBytes.forEach((_, at) => (scratchBytes[at] = (at * 5 + 1) & 0xff));
      const parked = new ParkedChain();
      chain.park(parked);
      const written = Math.min(responseLength, room);
      let source = 0;
      for (const { address, length } of placed.filter(({ write }) => write)) {
        for (let at = 0; at < length && source < written; at++) model[address + at] = scratchBytes[source++]!;
      }
      const isParked = seed % 2 === 0;
      const answered = isParked
        ? parked.respond(map, scratch.address, responseLength)
        : chain.respond(scratch.address, responseLength);

      expect(answered).toBe(written);
      expect(Buffer.compare(bytesAt(0, arena), model)).toBe(0);
    }),
    { numRuns: 300 },
  );
});

test("descriptor tables of random bits neither throw nor hang nor reach beyond guest memory", () => {
  const chain = new Chain(map);
  const word = fc.oneof(
    fc.nat(0xffff_ffff),
    fc.nat(arena),
    fc.constantFrom(0, 1, 0x20_0000, 0xffff_ffff, arena - 1, arena),
  );
  const descriptor = fc.record({
    low: word,
    high: fc.oneof(fc.constant(0), fc.constant(1), word),
    length: fc.oneof(fc.nat(64), word),
    flags: fc.nat(7),
    next: fc.oneof(fc.nat(9), fc.nat(0xffff)),
  });
  fc.assert(
    fc.property(fc.array(descriptor, { minLength: 8, maxLength: 8 }), fc.nat(7), (rows, head) => {
      const table = new Uint32Array(32);
      rows.forEach(({ low, high, length, flags, next }, at) => {
        table.set([low, high, length, flags | (next << 16)], at * 4);
      });

      chain.load(head, table, 8);

      const copied = chain.copyRequest(scratch.address, arena);
      expect(copied).toBe(Math.min(chain.readableBytes, arena));
      expect(chain.respond(scratch.address, arena)).toBe(Math.min(chain.writableBytes, arena));
    }),
    { numRuns: 2000 },
  );
});

// One driver a size and mode, since guest memory is not given back.
const made = new Map<string, { driver: DriverRing; heads: number[] }>();
function driverOf(size: number, eventIdx: boolean): { driver: DriverRing; heads: number[] } {
  const key = `${size} ${eventIdx}`;
  let one = made.get(key);
  if (one === undefined) {
    const driver = new DriverRing(
      { allocate: (length: number, alignment = page) => guest.allocateIn(rings, length, alignment) } as never,
      {
        size,
        eventIdx,
      },
    );
    one = { driver, heads: [] };
    made.set(key, one);
  }
  return one;
}
afterAll(() => {
  for (const { driver } of made.values()) driver.close();
});

type Step =
  | { do: "offer"; count: number }
  | { do: "take"; count: number }
  | { do: "finish"; count: number; from: number }
  | { do: "publish" | "collect" | "sleep" | "remap" };
const count = fc.integer({ min: 1, max: 9 });
const steps = fc.array(
  fc.oneof(
    fc.record({ do: fc.constant("offer" as const), count }),
    fc.record({ do: fc.constant("take" as const), count }),
    fc.record({ do: fc.constant("finish" as const), count, from: fc.nat() }),
    fc.record({
      do: fc.constantFrom("publish" as const, "collect" as const, "sleep" as const, "remap" as const),
    }),
  ),
  { minLength: 20, maxLength: 120 },
);

function ringOf(
  driver: DriverRing,
  base: number,
  eventIdx: boolean,
  inflight: InflightRing | null,
): SplitRing {
  const { size, descriptors, avail, used } = driver;
  const layout = {
    num: size,
    desc: descriptors.address,
    avail: avail.address,
    used: used.address,
    usedLog: -1,
    eventIdx,
  };
  const ring = new SplitRing(layout, map, base, inflight);
  ring.callee = new Notifier(driver.callFd);
  return ring;
}

test("no interleaving of driver and device loses, repeats or reorders a chain, nor a kick or a call that is needed", () => {
  const base = fc.oneof(fc.integer({ min: 65500, max: 65535 }), fc.constantFrom(0, 1, 32760, 32768));
  fc.assert(
    fc.property(steps, base, fc.boolean(), fc.constantFrom(1, 2, 8, 64), (walk, start, eventIdx, size) => {
      const { driver } = driverOf(size, eventIdx);
      driver.reset(start);
      readEventfd(driver.kickFd);
      readEventfd(driver.callFd);
      const ring = ringOf(driver, start, eventIdx, null);
      const chain = new Chain(map);
      const offered: number[] = [];
      const taken: number[] = [];
      const finished: number[] = [];
      let isAsleep = false;
      driver.enableCall();

      const run = (step: Step): void => {
        switch (step.do) {
          case "offer": {
            for (let index = 0; index < step.count; index++) {
              const head = driver.add([{ address: 0, length: 4 }], [{ address: 64, length: 4 }], size === 1);
              if (head < 0) break;
              driver.offer(head);
              offered.push(head);
            }
            const hadWork = offered.length > 0;
            driver.commit();
            const kicked = readEventfd(driver.kickFd) > 0;
            if (isAsleep && hadWork) expect(kicked).toBe(true);
            if (kicked) isAsleep = false;
            return;
          }
          case "take":
            if (isAsleep) return;
            ring.disableKicks();
            for (let index = 0; index < step.count; index++) {
              const popped = ring.pop(chain);
              expect(popped).toBe(offered.length > 0 ? Pop.CHAIN : Pop.EMPTY);
              if (popped === Pop.EMPTY) return;
              expect(chain.head).toBe(offered.shift()!);
              taken.push(chain.head);
            }
            return;
          case "finish":
            for (let index = 0; index < step.count && taken.length > 0; index++) {
              const [head] = taken.splice(step.from % taken.length, 1);
              ring.complete(head!, head!);
              finished.push(head!);
            }
            return;
          case "publish": {
            const pending = finished.length > 0;
            ring.publish();
            // The driver asked to be called for the very next chain, and was idle.
            if (pending && !driver.hasUsed()) expect("published").toBe("seen");
            return;
          }
          case "collect": {
            for (;;) {
              const head = driver.pop();
              if (head < 0) break;
              expect(head).toBe(finished.shift()!);
              expect(driver.usedLength).toBe(head);
              driver.release(head);
            }
            const missed = driver.enableCall();
            expect(missed).toBe(false);
            readEventfd(driver.callFd);
            if (finished.length > 0) {
              ring.publish();
              expect(readEventfd(driver.callFd)).toBe(1);
            }
            return;
          }
          case "sleep":
            isAsleep = !ring.enableKicks();
            expect(isAsleep).toBe(offered.length === 0);
            return;
          case "remap":
            ring.detach();
            ring.attach();
            return;
        }
      };
      for (const step of walk) run(step);
    }),
    { numRuns: 300 },
  );
});

test("a device that dies at any moment leaves a record from which its successor answers every chain once", () => {
  const size = 8;
  const fd = createMemfd("inflight", inflightBytes(size));
  const clear = NativeMemory.mapShared(fd, 0, inflightBytes(size), "write");
  const record = new Uint8Array(clear.view());
  fc.assert(
    fc.property(
      fc.array(fc.tuple(steps, fc.boolean()), { minLength: 1, maxLength: 5 }),
      fc.integer({ min: 65520, max: 65540 }),
      (lives, from) => {
        const { driver } = driverOf(size, false);
        const start = from & 0xffff;
        driver.reset(start);
        record.fill(0);
        const chain = new Chain(map);
        const waiting: number[] = [];
        const answered = new Map<number, number>();
        let base = start;
        const collect = (): void => {
          for (let head = driver.pop(); head >= 0; head = driver.pop()) {
            // DriverRing throws for a chain that was answered twice.
            answered.set(head, (answered.get(head) ?? 0) + 1);
            waiting.splice(waiting.indexOf(head), 1);
            driver.release(head);
          }
        };
        const offer = (): void => {
          const head = driver.add([{ address: 0, length: 4 }], [{ address: 64, length: 4 }]);
          if (head < 0) return;
          driver.offer(head);
          driver.commit();
          waiting.push(head);
        };
        for (const [walk, diesBeforeMarks] of lives) {
          const inflight = InflightRing.open(fd, 0, size);
          const ring = ringOf(driver, base, false, inflight);
          base = 0;
          const taken: number[] = [];
          for (const step of walk) {
            if (step.do === "offer") offer();
            else if (step.do === "take") {
              if (ring.pop(chain) === Pop.CHAIN) taken.push(chain.head);
            } else if (step.do === "finish" && taken.length > 0) {
              ring.complete(taken.splice(step.from % taken.length, 1)[0]!, 0);
            } else if (step.do === "publish") ring.publish();
            else if (step.do === "collect") collect();
          }
          if (diesBeforeMarks) {
            // The index is published, the marks are not cleared.
            const before = record.slice();
            ring.publish();
            record.set(before);
          }
          inflight.unmap();
        }
        const inflight = InflightRing.open(fd, 0, size);
        const ring = ringOf(driver, 0, false, inflight);
        while (ring.pop(chain) === Pop.CHAIN) ring.complete(chain.head, 0);
        ring.publish();
        collect();
        expect(waiting).toEqual([]);
        inflight.unmap();
      },
    ),
    { numRuns: 200 },
  );
  clear.unmap();
  closeFd(fd);
});
