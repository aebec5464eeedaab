// Guest RAM: regions, allocation, and copies over scattered ranges.

import { afterEach, expect, test } from "bun:test";
import { GuestMemory } from "../../lab/driver/guest-memory.ts";
import { sizeOfFd } from "../../src/transport/os/fds.ts";

let memory: GuestMemory;
afterEach(() => memory.free());

test("buffers are aligned, apart, and fill one region after the other", () => {
  memory = new GuestMemory([
    { guestAddress: 0x1000, size: 8192 },
    { guestAddress: 2 ** 40, size: 8192 },
  ]);
  const first = memory.allocate(100);
  const second = memory.allocate(100);
  const third = memory.allocate(8192);
  expect([first.address, second.address, third.address]).toEqual([0x1000, 0x2000, 2 ** 40]);
  expect(memory.allocate(7, 1).address).toBe(0x2064);
  expect(() => memory.allocate(8192)).toThrow("guest RAM has no 8192 bytes left");
});

test("views of a buffer see the same bytes", () => {
  memory = new GuestMemory([{ guestAddress: 0, size: 4096 }]);
  const buffer = memory.allocate(16);
  buffer.data.setUint32(4, 0x11223344, true);
  expect(buffer.words[1]).toBe(0x11223344);
  expect(buffer.halfwords[2]).toBe(0x3344);
  expect(buffer.slice(4, 4).bytes[0]).toBe(0x44);
  expect(buffer.slice(4, 4).userAddress).toBe(buffer.userAddress + 4);
  expect(() => buffer.slice(8, 9)).toThrow(RangeError);
});

test("scattered bytes are gathered again, over regions", () => {
  memory = new GuestMemory([
    { guestAddress: 0, size: 4096 },
    { guestAddress: 2 ** 32, size: 4096 },
  ]);
  const ranges = [
    { address: 2 ** 32 + 10, length: 3 },
    { address: 5, length: 0 },
    { address: 4000, length: 4 },
  ];
  memory.scatter(Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8, 9), ranges);
  expect([...memory.gather(ranges)]).toEqual([1, 2, 3, 4, 5, 6, 7]);
  expect(() => memory.bytesAt(4090, 10)).toThrow(RangeError);
});

test("a region has a file of its size, and can be taken away", () => {
  memory = new GuestMemory([{ guestAddress: 0, size: 4096 }]);
  const region = memory.addRegion(2 ** 33, 65_536);
  expect(sizeOfFd(region.fd)).toBe(65_536);
  memory.removeRegion(region);
  expect(memory.regions.length).toBe(1);
  expect(() => memory.bytesAt(2 ** 33, 1)).toThrow(RangeError);
});
