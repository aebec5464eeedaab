// Random memory maps translate like a list that is searched from front to back.
import { afterAll, expect, test } from "bun:test";
import fc from "fast-check";
import { libc } from "../../src/ffi/libc.ts";
import { DirtyLog } from "../../src/transport/virtio/dirty-log.ts";
import { MemoryMap, type MemoryRegion } from "../../src/transport/virtio/memory-map.ts";
import { closeFd, createMemfd } from "../../src/transport/os/fds.ts";
import { NativeMemory } from "../../src/transport/os/native-memory.ts";

const page = 4096;
const pages = 64;
const fd = createMemfd("test", pages * page);
const file = NativeMemory.mapShared(fd, 0, pages * page, "write");
// Every byte of the file tells where it is: its page, and its place in four bytes.
const words = new Uint32Array(file.view());
words.forEach((_, at) => (words[at] = Math.imul(at, 2654435761) >>> 0));
const bytes = new Uint8Array(file.view());

afterAll(() => {
  file.unmap();
  closeFd(fd);
});

/** Regions in a random order, with and without holes, at random offsets of the file; they may not overlap. */
const table = fc
  .array(
    fc.record({
      // Also into other windows of a GiB, and above the table of these.
      hole: fc.constantFrom(0, 0, 1, 7, page, 2 ** 30 - page, 2 ** 32, 2 ** 42),
      size: fc.integer({ min: 1, max: 3 * page }),
      at: fc.nat((pages - 4) * page),
      order: fc.nat(),
    }),
    { maxLength: 8 },
  )
  .map((parts) => {
    let guestAddress = 0;
    const regions = parts.map(({ hole, size, at, order }) => {
      guestAddress += hole;
      const region = { guestAddress, size, fdOffset: at, order };
      guestAddress += size;
      return region;
    });
    return regions.toSorted((a, b) => a.order - b.order);
  });

type Layout = { guestAddress: number; size: number; fdOffset: number }[];

let nextId = 1;
const withIds = (layout: Layout): MemoryRegion[] =>
  layout.map(({ guestAddress, size, fdOffset }) => ({ id: nextId++, guestAddress, size, fdOffset, fd }));

/** Addresses at and around every border, and some anywhere. */
function probes(layout: Layout, more: readonly number[]): number[] {
  const borders = layout.flatMap(({ guestAddress, size }) => [guestAddress, guestAddress + size]);
  return [...borders.flatMap((border) => [border - 1, border, border + 1]), ...more].filter((at) => at >= 0);
}

function expectLikeModel(map: MemoryMap, layout: Layout, address: number): void {
  const region = layout.find((one) => address >= one.guestAddress && address < one.guestAddress + one.size);
  const host = map.translate(address);
  if (region === undefined) {
    expect(host).toBe(0);
    return;
  }
  expect(host).not.toBe(0);
  const left = region.guestAddress + region.size - address;
  expect(map.contiguous).toBe(left);
  const offset = region.fdOffset + (address - region.guestAddress);
  const seen = new Uint8Array(Math.min(left, 9));
  libc.memcpy(seen as never, host as never, seen.length);
  expect(Buffer.compare(seen, bytes.subarray(offset, offset + seen.length))).toBe(0);
  expect(map.translateRange(address, left)).toBe(host);
  expect(map.translateRange(address, left + 1)).toBe(0);
}

test("translation is that of the list, also after each of several changes", () => {
  const map = new MemoryMap();
  fc.assert(
    fc.property(
      fc.array(table, { minLength: 1, maxLength: 4 }),
      fc.array(fc.nat(2 ** 31 - 1), { maxLength: 20 }),
      (layouts, more) => {
        for (const layout of layouts) {
          map.replace(withIds(layout));
          for (const address of probes(layout, more)) expectLikeModel(map, layout, address);
        }
      },
    ),
    { numRuns: 150 },
  );
  map.clear();
});

test("regions that stay are where they were, whatever comes and goes around them", () => {
  const map = new MemoryMap();
  fc.assert(
    fc.property(
      table,
      fc.array(fc.array(fc.boolean(), { minLength: 8, maxLength: 8 }), { maxLength: 6 }),
      (layout, steps) => {
        const all = withIds(layout);
        let before = new Map<number, number>();
        for (const keep of steps) {
          const regions = all.filter((_, index) => keep[index]);
          map.replace(regions);
          const after = new Map(regions.map(({ id, guestAddress }) => [id, map.translate(guestAddress)]));
          for (const [id, host] of after) expect(before.get(id) ?? host).toBe(host);
          for (const gone of all) {
            if (!after.has(gone.id)) expect(map.translate(gone.guestAddress)).toBe(0);
          }
          before = after;
        }
      },
    ),
    { numRuns: 100 },
  );
  map.clear();
});

test("overlapping tables are refused and change nothing", () => {
  const map = new MemoryMap();
  fc.assert(
    fc.property(
      table.filter((layout) => layout.length > 0),
      fc.nat(),
      fc.nat(),
      (layout, which, where) => {
        map.replace(withIds(layout));
        const victim = layout[which % layout.length]!;
        const intruder = {
          guestAddress: victim.guestAddress + (where % victim.size),
          size: 2 * page,
          fdOffset: 0,
        };

        expect(() => map.replace(withIds([...layout, intruder]))).toThrow(/overlap/);

        for (const address of probes(layout, [])) expectLikeModel(map, layout, address);
      },
    ),
    { numRuns: 60 },
  );
  map.clear();
});

test("the dirty log has the bit of every page that was touched, and no other", () => {
  const bitmapFd = createMemfd("log", page);
  const bitmap = NativeMemory.mapShared(bitmapFd, 0, page, "write");
  const bits = new Uint8Array(bitmap.view());
  const size = 32;
  const log = new DirtyLog(bitmapFd, 0, size);
  const write = fc.record({ address: fc.nat(size * 8 * page * 2), length: fc.nat(40 * page) });
  fc.assert(
    fc.property(fc.array(write, { maxLength: 10 }), (writes) => {
      bits.fill(0);
      const dirty = new Set<number>();
      for (const { address, length } of writes) {
        log.mark(address, length);
        for (let at = address; at < address + length; at = (Math.floor(at / page) + 1) * page)
          dirty.add(Math.floor(at / page));
      }
      for (let at = 0; at < page * 8; at++) {
        const isSet = (bits[at >> 3]! & (1 << (at & 7))) !== 0;
        if (isSet !== (dirty.has(at) && at < size * 8)) expect(`page ${at}`).toBe("marked rightly");
      }
    }),
    { numRuns: 100 },
  );
  log.unmap();
  bitmap.unmap();
  closeFd(bitmapFd);
});
