// Random backings copy like the bytes of their entries one after another, across regions and after map changes.
import { afterAll, expect, test } from "bun:test";
import fc from "fast-check";
import { Backing } from "../../src/actors/gpu/renderer/backing.ts";
import { GuestMemory, type GuestRange } from "../../lab/driver/guest-memory.ts";
import { MemoryMap, type MemoryRegion } from "../../src/transport/virtio/memory-map.ts";
import { closeFd, createMemfd } from "../../src/transport/os/fds.ts";
import { NativeMemory } from "../../src/transport/os/native-memory.ts";
import { tableOf } from "../support/guest-map.ts";

const page = 4096;
const regionBytes = 16 * page;
// Three regions that touch, a hole, and one more.
const guest = new GuestMemory([
  { guestAddress: 0, size: regionBytes },
  { guestAddress: regionBytes, size: regionBytes },
  { guestAddress: 2 * regionBytes, size: regionBytes },
  { guestAddress: 2 ** 32, size: regionBytes },
]);
for (const region of guest.regions) {
  new Uint8Array(region.buffer).forEach((_, at, all) => {
    all[at] = (at * 31 + (at >> 8) + region.guestAddress / 1000) & 0xff;
  });
}
const low = 3 * regionBytes;
const scratch = NativeMemory.allocate(2 ** 20);
const copied = new Uint8Array(scratch.view());
afterAll(() => {
  guest.free();
  scratch.unmap();
});

/** Maps the regions in a given order, which decides whether neighbours in the guest are neighbours here. */
function mapInOrder(order: readonly number[]): { map: MemoryMap; table: MemoryRegion[] } {
  const map = new MemoryMap();
  const all = tableOf(guest.regions);
  const table = order.map((index) => all[index]!);
  map.replace(table);
  return { map, table };
}

const order = fc.shuffledSubarray([0, 1, 2, 3], { minLength: 4 });
const lowEntry = fc
  .record({ address: fc.nat(low - 1), length: fc.oneof(fc.nat(64), fc.nat(2 * regionBytes)) })
  .map(({ address, length }) => ({ address, length: Math.min(length, low - address) }));
const highEntry = fc
  .record({ address: fc.nat(regionBytes - 1), length: fc.nat(200) })
  .map(({ address, length }) => ({
    address: 2 ** 32 + address,
    length: Math.min(length, regionBytes - address),
  }));
/** Entries anywhere, and runs of pages that follow each other, as a guest's allocator gives them. */
const pageRun = fc
  .record({ start: fc.nat(40), count: fc.integer({ min: 1, max: 8 }) })
  .map(({ start, count }) =>
    Array.from({ length: count }, (_, index) => ({ address: (start + index) * page, length: page })),
  );
const entries = fc
  .array(
    fc.oneof(
      lowEntry.map((one) => [one]),
      highEntry.map((one) => [one]),
      pageRun,
    ),
    { maxLength: 8 },
  )
  .map((groups) => groups.flat());

function wordsOf(ranges: readonly GuestRange[], offset: number): Uint32Array {
  const words = new Uint32Array(offset / 4 + ranges.length * 4);
  ranges.forEach(({ address, length }, index) => {
    words.set([address >>> 0, Math.floor(address / 2 ** 32), length, 0xdead], offset / 4 + index * 4);
  });
  return words;
}

const read = (map: MemoryMap, ranges: readonly GuestRange[], offset = 32): Backing | null =>
  Backing.read(map, wordsOf(ranges, offset), offset, ranges.length);

/** The bytes of all entries, one after another, whatever regions they cross. */
function flat(ranges: readonly GuestRange[]): Uint8Array {
  const split = ranges.flatMap(({ address, length }) => {
    const parts: GuestRange[] = [];
    for (let at = address; at < address + length;) {
      const border = at < low ? (Math.floor(at / regionBytes) + 1) * regionBytes : 2 ** 32 + regionBytes;
      const run = Math.min(border, address + length) - at;
      parts.push({ address: at, length: run });
      at += run;
    }
    return parts;
  });
  return guest.gather(split);
}

function expectCopies(backing: Backing, all: Uint8Array, cuts: readonly [number, number][]): void {
  for (const [a, b] of cuts) {
    const from = Math.min(a, b) % (all.length + 1);
    const length = Math.min(Math.abs(a - b), all.length - from, copied.length);
    if (length === 0) continue;
    copied.fill(0, 0, length);
    expect(backing.copyTo(from, scratch.address, length)).toBe(true);
    expect(Buffer.compare(copied.subarray(0, length), all.subarray(from, from + length))).toBe(0);
  }
}

const cuts = fc.array(fc.tuple(fc.nat(2 ** 19), fc.nat(2 ** 19)), { minLength: 1, maxLength: 12 });

test("copies are those of the flat bytes", () => {
  fc.assert(
    fc.property(order, entries, cuts, fc.constantFrom(0, 32, 48), (regions, ranges, where, offset) => {
      const { map } = mapInOrder(regions);
      const all = flat(ranges);
      const backing = read(map, ranges, offset)!;

      expect(backing.length).toBe(all.length);
      expectCopies(backing, all, where);
      map.clear();
    }),
    { numRuns: 200 },
  );
});

test("row by row, as a transfer copies a rectangle, is the same", () => {
  fc.assert(
    fc.property(
      order,
      entries,
      fc.integer({ min: 1, max: 700 }),
      fc.integer({ min: 1, max: 900 }),
      (regions, ranges, row, stride) => {
        const { map } = mapInOrder(regions);
        const all = flat(ranges);
        const backing = read(map, ranges)!;
        for (let from = 0, count = 0; from + row <= all.length && count < 50; from += stride, count++) {
          expect(backing.copyTo(from, scratch.address, row)).toBe(true);
          expect(Buffer.compare(copied.subarray(0, row), all.subarray(from, from + row))).toBe(0);
        }
        map.clear();
      },
    ),
    { numRuns: 100 },
  );
});

test("copies go on after the map has changed around the backing", () => {
  fc.assert(
    fc.property(
      order,
      entries,
      cuts,
      fc.array(order, { minLength: 1, maxLength: 3 }),
      fc.boolean(),
      (regions, ranges, where, changes, isNew) => {
        const { map } = mapInOrder(regions);
        const all = flat(ranges);
        const backing = read(map, ranges)!;
        changes.forEach((change, index) => {
          const table = tableOf(guest.regions, isNew ? 100 * (index + 1) : 1);
          map.replace(change.map((at) => table[at]!));
          expectCopies(backing, all, where);
        });
        map.clear();
      },
    ),
    { numRuns: 100 },
  );
});

test("copies go on after regions were split or joined", () => {
  const pieces = fc.uniqueArray(fc.integer({ min: 1, max: 47 }), { maxLength: 6 });
  fc.assert(
    fc.property(entries, cuts, fc.array(pieces, { minLength: 1, maxLength: 3 }), (ranges, where, splits) => {
      const { map } = mapInOrder([0, 1, 2, 3]);
      const all = flat(ranges);
      const backing = read(map, ranges)!;
      let id = 1000;
      for (const split of splits) {
        // The borders between files stay; others are anywhere.
        const borders = [...new Set([0, 16, 32, 48, ...split])].toSorted((a, b) => a - b);
        const table = borders.slice(0, -1).map((start, index) => {
          const region = guest.regions[Math.floor(start / 16)]!;
          const guestAddress = start * page;
          const size = borders[index + 1]! * page - guestAddress;
          return {
            id: id++,
            guestAddress,
            size,
            fd: region.fd,
            fdOffset: guestAddress - region.guestAddress,
          };
        });
        map.replace([...table.toReversed(), { ...tableOf(guest.regions)[3]!, id: id++ }]);
        expectCopies(backing, all, where);
      }
      map.clear();
    }),
    { numRuns: 100 },
  );
});

test("memory that has gone is not copied, what stays is, and what comes back is again", () => {
  fc.assert(
    fc.property(order, entries, cuts, fc.integer({ min: 0, max: 3 }), (regions, ranges, where, gone) => {
      const { map, table } = mapInOrder(regions);
      const all = flat(ranges);
      const backing = read(map, ranges)!;
      const region = guest.regions[gone]!;
      const isGone = Uint8Array.from(
        ranges.flatMap(({ address, length }) =>
          Array.from({ length }, (_, at) => (region.holds(address + at, 1) ? 1 : 0)),
        ),
      );

      map.replace(table.filter(({ guestAddress }) => guestAddress !== region.guestAddress));
      for (const [a, b] of where) {
        const from = Math.min(a, b) % (all.length + 1);
        const length = Math.min(Math.abs(a - b), all.length - from, copied.length);
        if (length === 0) continue;
        const isWhole = !isGone.subarray(from, from + length).includes(1);
        expect(backing.copyTo(from, scratch.address, length)).toBe(isWhole);
        if (isWhole)
          expect(Buffer.compare(copied.subarray(0, length), all.subarray(from, from + length))).toBe(0);
      }

      map.replace(tableOf(guest.regions, 100));
      expectCopies(backing, all, where);
      map.clear();
    }),
    { numRuns: 60 },
  );
});

test("an entry that is not wholly guest memory makes no backing", () => {
  const outside = fc.constantFrom<GuestRange>(
    { address: low - 1, length: 2 },
    { address: low, length: 1 },
    { address: 2 ** 32 - 1, length: 2 },
    { address: 2 ** 32 + regionBytes, length: 1 },
    { address: 0, length: 0xffff_ffff },
    { address: 2 ** 53, length: 1 },
    { address: 2 ** 63, length: 8 },
  );
  fc.assert(
    fc.property(entries, entries, outside, (before, after, bad) => {
      const { map } = mapInOrder([0, 1, 2, 3]);

      expect(read(map, [...before, bad, ...after])).toBeNull();
      map.clear();
    }),
    { numRuns: 60 },
  );
});

test("entries of no length count for nothing, wherever they point", () => {
  const { map } = mapInOrder([0, 1, 2, 3]);
  const nothing = { address: 2 ** 63, length: 0 };
  const backing = read(map, [
    nothing,
    { address: 5, length: 3 },
    nothing,
    { address: 8, length: 2 },
    nothing,
  ])!;

  expect(backing.length).toBe(5);
  expectCopies(backing, flat([{ address: 5, length: 5 }]), [[0, 5]]);
  expect(read(map, [nothing])!.length).toBe(0);
  expect(read(map, [])!.length).toBe(0);
  map.clear();
});

test("pieces are those of the entries wherever they lie in a large memory", () => {
  const gib = 2 ** 30;
  const [first, second] = [
    { guestAddress: gib / 2, size: 3 * gib },
    { guestAddress: 2 ** 32 + 4 * gib, size: 2 * gib },
  ];
  const fd = createMemfd("large", first.size + second.size);
  const map = new MemoryMap();
  map.replace([
    { id: 1, ...first, fd, fdOffset: 0 },
    { id: 2, ...second, fd, fdOffset: first.size },
  ]);
  closeFd(fd);
  const inside = ({ guestAddress, size }: typeof first) =>
    fc
      .tuple(
        // Near the borders of a GiB as well as anywhere.
        fc.oneof(
          fc.nat(size),
          fc.nat(2 * page).map((at) => (at + gib / 2 - page) % size),
        ),
        fc.oneof(fc.nat(2 * page), fc.nat(size)),
      )
      .map(([at, length]) => ({ address: guestAddress + at, length: Math.min(length, size - at) }));
  const anywhere = fc.array(fc.oneof(inside(first), inside(second)), { minLength: 1, maxLength: 40 });
  try {
    fc.assert(
      fc.property(anywhere, (ranges) => {
        const backing = read(map, ranges)!;
        const words = new Uint32Array(Math.max(backing.countPieces(), 1) * 4);
        backing.writeIovecs(words);
        // What follows the piece before it in guest memory is part of it.
        const expected: { host: number; length: number }[] = [];
        let end = -1;
        for (const { address, length } of ranges.filter(({ length }) => length > 0)) {
          if (address === end) expected.at(-1)!.length += length;
          else expected.push({ host: map.translate(address), length });
          end = address + length;
        }
        const pieces = expected.map((_, at) => ({
          host: words[at * 4 + 1]! * 2 ** 32 + words[at * 4]!,
          length: words[at * 4 + 3]! * 2 ** 32 + words[at * 4 + 2]!,
        }));
        expect(backing.countPieces()).toBe(expected.length);
        expect(pieces).toEqual(expected);
        backing.free();
      }),
      { numRuns: 500 },
    );
  } finally {
    map.clear();
  }
});
