// What reading a list of entries asks of the memory map: nothing, wherever in a guest's memory the entries lie.
import { afterEach, beforeEach, expect, spyOn, test } from "bun:test";
import { Backing } from "../../../../src/actors/gpu/renderer/backing.ts";
import { MemoryMap } from "../../../../src/transport/virtio/memory-map.ts";
import { closeFd, createMemfd } from "../../../../src/transport/os/fds.ts";

const page = 4096;
const gib = 2 ** 30;
let map: MemoryMap;

// As QEMU lays out 8 GiB: with holes below 1 MiB, and for PCI.
const regions = [
  { guestAddress: 0, size: 0xa_0000, fdOffset: 0 },
  { guestAddress: 0x10_0000, size: 2 * gib - 0x10_0000, fdOffset: 0x10_0000 },
  { guestAddress: 4 * gib, size: 6 * gib, fdOffset: 2 * gib },
];

beforeEach(() => {
  map = new MemoryMap();
  const fd = createMemfd("guest", 8 * gib);
  map.replace(regions.map((region, id) => ({ id, fd, ...region })));
  closeFd(fd);
});
afterEach(() => map.clear());

function read(addresses: readonly number[], length = page): Backing {
  const words = addresses.flatMap((address) => [address >>> 0, Math.floor(address / 2 ** 32), length, 0]);
  return Backing.read(map, Uint32Array.from(words), 0, addresses.length)!;
}

/** How often `work` leaves the table of windows. */
function searches(work: () => void): number {
  const spies = [spyOn(map, "holds"), spyOn(map, "translate")];
  work();
  const calls = spies.reduce((sum, spy) => sum + spy.mock.calls.length, 0);
  for (const spy of spies) spy.mockRestore();
  return calls;
}

test("entries that alternate between regions and windows of a GiB are read from the table alone", () => {
  const addresses = Array.from({ length: 1024 }, (_, at) => {
    const place = ((at * 769) % 8192) * page;
    return at % 2 === 0 ? 0x10_0000 + (at % 4) * (gib / 2) + place : (4 + (at % 6)) * gib + place;
  });
  let backing: Backing | null = null;

  expect(searches(() => (backing = read(addresses)))).toBe(0);
  expect(backing!.runCount).toBe(addresses.length);
  expect(backing!.length).toBe(addresses.length * page);
});

test("what a window does not know is searched for: its lesser region, and an entry that leaves it", () => {
  let backing: Backing | null = null;

  expect(searches(() => (backing = read([page, gib - page], 2 * page)))).toBeGreaterThan(0);
  expect(backing!.length).toBe(4 * page);
});
