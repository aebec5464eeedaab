// The page lists that the bench has of a real guest.
import { expect, test } from "bun:test";
import fc from "fast-check";
import { pageBytes } from "../../lab/driver/guest-memory.ts";
import { decodePages, encodePages } from "../../bench/system/pages/page-list.ts";
import { recordedPages, recordedRegions } from "../../bench/system/pages/recorded.ts";
import recording from "../../bench/system/pages/recorded.json";

test("pages are read as they were written", () => {
  const entry = fc
    .record({ page: fc.nat(2 ** 30), count: fc.integer({ min: 1, max: 5000 }) })
    .map(({ page, count }) => ({ address: page * pageBytes, length: count * pageBytes }));
  fc.assert(
    fc.property(fc.array(entry, { maxLength: 50 }), (entries) => {
      expect(decodePages(encodePages(entries))).toEqual(entries);
    }),
  );
});

/** Rings and requests of a workload lie below. */
const lowest = 64 * 2 ** 20;

test("every recorded buffer lies in its guest's memory, and no page of it twice", () => {
  for (const name of Object.keys(recording.buffers)) {
    const entries = recordedPages(name).toSorted((a, b) => a.address - b.address);
    expect(entries.length).toBeGreaterThan(0);
    let end = lowest;
    for (const { address, length } of entries) {
      expect(address).toBeGreaterThanOrEqual(end);
      end = address + length;
      const holds = recordedRegions.some(
        ({ guestAddress, size }) => address >= guestAddress && end <= guestAddress + size,
      );
      expect(holds).toBe(true);
    }
  }
});
