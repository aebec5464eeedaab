// Translation of guest-physical addresses, and changes of the map while regions stay mapped.
import { afterEach, beforeEach, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { GuestMemory } from "../../../lab/driver/guest-memory.ts";
import { libc, F_GET_SEALS, F_SEAL_SHRINK } from "../../../src/ffi/libc.ts";
import { MemoryMap } from "../../../src/transport/virtio/memory-map.ts";
import { closeFd, createEventfd, createMemfd } from "../../../src/transport/os/fds.ts";
import { NativeMemory } from "../../../src/transport/os/native-memory.ts";
import { openFds } from "../../support/fds.ts";
import { tableOf } from "../../support/guest-map.ts";

const page = 4096;
let map: MemoryMap;
let guest: GuestMemory;
beforeEach(() => {
  map = new MemoryMap();
  guest = new GuestMemory([]);
});
afterEach(() => {
  map.clear();
  guest.free();
});

/** Makes regions and maps them in that order. */
function share(...layout: [guestAddress: number, size: number][]): void {
  for (const [address, size] of layout) guest.addRegion(address, size);
  map.replace(tableOf(guest.regions));
}

/** Whether `address` leads to the guest's byte there. */
function leadsTo(address: number): boolean {
  const host = map.translate(address);
  if (host === 0) return false;
  const mark = guest.bytesAt(address, 1);
  mark[0] = 0x5a;
  const seen = new Uint8Array(1);
  libc.memcpy(seen as never, host as never, 1);
  mark[0] = 0;
  return seen[0] === 0x5a;
}

test("an empty map holds nothing", () => {
  expect(map.translate(0)).toBe(0);
  expect(map.translateRange(0, 1)).toBe(0);
});

test("every byte of a region is found and says how many follow", () => {
  share([page, 2 * page]);

  for (const address of [page, page + 1, 2 * page, 3 * page - 1]) {
    expect(leadsTo(address)).toBe(true);
    expect(map.contiguous).toBe(3 * page - address);
  }
});

test("addresses before, between and behind regions are found nowhere", () => {
  share([page, page], [4 * page, page], [2 ** 32, page]);

  for (const address of [
    0,
    page - 1,
    2 * page,
    4 * page - 1,
    5 * page,
    2 ** 32 - 1,
    2 ** 32 + page,
    2 ** 52,
  ]) {
    expect(map.translate(address)).toBe(0);
  }
});

test("regions are found whatever their order in the table", () => {
  share([9 * page, page], [page, page], [5 * page, page], [2 ** 33, page]);

  for (const address of [5 * page, page, 2 ** 33 + 5, 9 * page, page + 7]) {
    expect(leadsTo(address)).toBe(true);
  }
});

test("the region found last does not hide another", () => {
  share([0, page], [page, page]);

  expect(leadsTo(0)).toBe(true);
  expect(leadsTo(page)).toBe(true);
  expect(leadsTo(page - 1)).toBe(true);
  expect(map.contiguous).toBe(1);
});

test("a range must lie in one region", () => {
  share([0, page], [page, page]);

  expect(map.translateRange(0, page)).not.toBe(0);
  expect(map.translateRange(page - 1, 1)).not.toBe(0);
  expect(map.translateRange(page - 1, 2)).toBe(0);
  expect(map.translateRange(page, page + 1)).toBe(0);
  expect(map.translateRange(5, 0)).not.toBe(0);
});

test("a region begins at its offset in the file", () => {
  const fd = createMemfd("test", 4 * page);
  const whole = NativeMemory.mapShared(fd, 0, 4 * page, "write");
  new Uint8Array(whole.view())[page + 100] = 77;
  map.replace([{ id: 1, guestAddress: 0x10000, size: page, fd, fdOffset: page + 100 }]);

  const seen = new Uint8Array(1);
  libc.memcpy(seen as never, map.translate(0x10000) as never, 1);

  expect(seen[0]).toBe(77);
  whole.unmap();
  closeFd(fd);
});

test("a region with a known id stays where it is, and needs no descriptor", () => {
  share([0, page], [page, page]);
  const before = map.translate(page);
  const table = tableOf(guest.regions).map((region) => ({ ...region, fd: -1 }));
  const added = guest.addRegion(2 * page, page);

  map.replace([...table, { id: 3, guestAddress: 2 * page, size: page, fd: added.fd, fdOffset: 0 }]);

  expect(map.translate(page)).toBe(before);
  expect(leadsTo(2 * page)).toBe(true);
});

test("a region that is gone is found no more", () => {
  share([0, page], [page, page]);
  map.translate(page);

  map.replace(tableOf([guest.regions[0]!]));

  expect(map.translate(page)).toBe(0);
  expect(leadsTo(0)).toBe(true);
});

test("overlapping regions are refused and the map stays as it was", () => {
  share([0, page]);
  const [region] = tableOf(guest.regions);
  const overlapping = guest.addRegion(page / 2, page);

  const replace = (): void =>
    map.replace([region!, { ...region!, id: 2, guestAddress: overlapping.guestAddress, fd: overlapping.fd }]);

  expect(replace).toThrow(/overlap at guest address 0x800/);
  expect(leadsTo(0)).toBe(true);
});

test("a range is guest memory where regions that touch hold all of it", () => {
  share([0, page], [page, page], [3 * page, page]);
  expect(map.holds(0, 2 * page)).toBe(true);
  expect(map.holds(page - 1, 2)).toBe(true);
  expect(map.holds(1, 2 * page)).toBe(false);
  expect(map.holds(2 * page, 1)).toBe(false);
});

test("a region outside of its file is refused", () => {
  const fd = createMemfd("test", 2 * page);
  const region = { id: 1, guestAddress: 0, size: page, fd, fdOffset: 0 };

  expect(() => map.replace([{ ...region, size: 2 * page + 1 }])).toThrow(/lies outside of its file/);
  expect(() => map.replace([{ ...region, fdOffset: page + 1 }])).toThrow(/lies outside of its file/);
  expect(() => map.replace([{ ...region, size: 2 ** 52 }])).toThrow(/lies outside of its file/);
  map.replace([{ ...region, fdOffset: page }]);
  closeFd(fd);
});

test("a descriptor that is no memory is refused", () => {
  const fd = createEventfd();

  expect(() => map.replace([{ id: 1, guestAddress: 0, size: page, fd, fdOffset: 0 }])).toThrow();
  expect(map.translate(0)).toBe(0);
  closeFd(fd);
});

test("a shared file cannot be truncated under the map any more", () => {
  const fd = libc.memfd_create(new TextEncoder().encode("test\0"), 2);
  libc.ftruncate(fd, page);

  map.replace([{ id: 1, guestAddress: 0, size: page, fd, fdOffset: 0 }]);

  expect(libc.fcntl(fd, F_GET_SEALS, 0) & F_SEAL_SHRINK).toBe(F_SEAL_SHRINK);
  expect(libc.ftruncate(fd, 0)).toBe(-1);
  closeFd(fd);
});

test("mapping and unmapping over and over loses no descriptor and no address space", () => {
  const region = guest.addRegion(0, 64 * 2 ** 20);
  const before = openFds();
  const mappings = (): number => readFileSync("/proc/self/maps", "utf8").split("\n").length;
  const mapped = mappings();

  for (let round = 0; round < 200; round++) map.replace(tableOf([region], round));
  map.clear();

  expect(openFds()).toBe(before);
  expect(mappings()).toBeLessThan(mapped + 50);
});

test("what is written is marked while there is a log", () => {
  const marks: [number, number][] = [];
  map.wrote(0, 10);
  map.dirtyLog = { mark: (address: number, length: number) => marks.push([address, length]) } as never;

  map.wrote(5, 10);

  expect(marks).toEqual([[5, 10]]);
  map.dirtyLog = null;
});

test("a hole says how long it is", () => {
  share([page, page], [4 * page, page]);

  for (const [address, length] of [
    [0, page],
    [2 * page, 2 * page],
    [4 * page - 1, 1],
    [5 * page, Infinity],
  ] as const) {
    expect(map.translate(address)).toBe(0);
    expect(map.contiguous).toBe(length);
  }
});
