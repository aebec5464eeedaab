// TRANSFER_TO_HOST_2D: any rectangle, offset and scatter list, and what is refused (virtio 1.3 §5.7.6.8).

import { describe, expect, test } from "bun:test";
import { areaOf } from "../../lab/driver/gpu-driver.ts";
import type { GuestRange } from "../../lab/driver/guest-memory.ts";
import type { SyntheticGuest } from "../../lab/driver/synthetic-guest.ts";
import { Format, Response } from "../../src/transport/wire/virtio-gpu/protocol.ts";
import { crop, expectOk, expectShown, expectType, pattern, paste, serveTests } from "./support.ts";

const { withDevice } = serveTests();
const { ERR_INVALID_PARAMETER, ERR_INVALID_RESOURCE_ID, ERR_UNSPEC } = Response;

const width = 40;
const height = 24;
const picture = pattern(width, height);
const bytes = new Uint8Array(picture.buffer);
const whole = areaOf({ width, height });

describe("rectangles", () => {
  const rectangles: [string, number, number, number, number][] = [
    ["one pixel", 17, 11, 1, 1],
    ["one row", 0, 5, width, 1],
    ["one column", 39, 0, 1, height],
    ["the middle", 7, 3, 20, 10],
    ["the last pixel", 39, 23, 1, 1],
    ["full width rows", 0, 4, width, 9],
  ];
  for (const [name, x, y, w, h] of rectangles) {
    test(`transfer of ${name} changes that rectangle only`, () =>
      withDevice({}, (guest) => {
        const { gpu } = guest;
        const rectangle = { x, y, width: w, height: h };
        const image = gpu.createImage(1, Format.B8G8R8X8, width, height);
        image.pixels.set(picture);
        gpu.show(0, image);
        expectShown(guest, 0, width, height, picture);
        const next = pattern(width, height, 5);
        image.pixels.set(next);
        expectOk(gpu.transferToHost2d(1, rectangle, (y * width + x) * 4));
        expectOk(gpu.flushResource(1, whole));
        expectShown(guest, 0, width, height, paste(picture, width, rectangle, crop(next, width, rectangle)));
      }));
  }

  test("transfer of nothing changes nothing", () =>
    withDevice({}, (guest) => {
      const { gpu } = guest;
      const image = gpu.createImage(1, Format.B8G8R8X8, width, height);
      image.pixels.set(picture);
      gpu.show(0, image);
      expectShown(guest, 0, width, height, picture);
      image.pixels.fill(0);
      gpu.transferToHost2d(1, { x: 3, y: 3, width: 0, height: 0 });
      gpu.transferToHost2d(1, { x: 0, y: 0, width: 8, height: 0 });
      expectOk(gpu.flushResource(1, whole));
      guest.pump.serve(30);
      expectShown(guest, 0, width, height, picture);
    }));

  const outside: [string, number, number, number, number][] = [
    ["beyond the right edge", 1, 0, width, 1],
    ["beyond the bottom", 0, 1, 1, height],
    ["wider than the resource", 0, 0, width + 1, 1],
    ["wrapping x", 0xffff_fff0, 0, 0x20, 1],
    ["wrapping y", 0, 0xffff_fff0, 1, 0x20],
    ["of all ones", 0xffff_ffff, 0xffff_ffff, 0xffff_ffff, 0xffff_ffff],
  ];
  for (const [name, x, y, w, h] of outside) {
    test(`transfer ${name} returns ERR_INVALID_PARAMETER`, () =>
      withDevice({}, ({ gpu }) => {
        gpu.createImage(1, 1, width, height);
        expectType(gpu.transferToHost2d(1, { x, y, width: w, height: h }), ERR_INVALID_PARAMETER);
      }));
  }
});

describe("offsets", () => {
  test("transfer from an offset reads from there", () =>
    withDevice({}, (guest) => {
      const backing = guest.memory.allocate(1000 + bytes.length);
      backing.bytes.set(bytes, 1000);
      expectTransferred(guest, [backing], 1000);
    }));

  test("transfer from an unaligned offset reads from there", () =>
    withDevice({}, (guest) => {
      const backing = guest.memory.allocate(13 + bytes.length);
      backing.bytes.set(bytes, 13);
      expectTransferred(guest, [backing], 13);
    }));

  test("transfer of a last row that ends with the backing returns ok", () =>
    withDevice({}, ({ gpu, memory }) => {
      expectOk(gpu.createResource2d(1, 1, width, height));
      // Two rows of ten pixels end 30 pixels before the second row's stride does.
      const span = (width + 10) * 4;
      expectOk(gpu.attachBacking(1, [memory.allocate(span)]));
      expectOk(gpu.transferToHost2d(1, { x: 0, y: 0, width: 10, height: 2 }, 0));
    }));

  // Rows of any length, and of any bytes: what the backing holds, the rest as it was.
  for (const lacking of [
    1,
    4,
    40,
    width * 4,
    width * 4 + 2,
    bytes.length - 4,
    bytes.length - 1,
    bytes.length,
  ]) {
    test(`transfer of all but ${lacking} bytes copies those that there are`, () =>
      withDevice({}, (guest) => {
        const { gpu, memory } = guest;
        expectOk(gpu.createResource2d(1, Format.B8G8R8X8, width, height));
        const before = memory.allocate(bytes.length);
        before.bytes.fill(0x11);
        expectOk(gpu.attachBacking(1, [before]));
        expectOk(gpu.transferToHost2d(1, whole));
        expectOk(gpu.detachBacking(1));
        const backing = memory.allocate(bytes.length);
        backing.bytes.set(bytes);
        expectOk(gpu.attachBacking(1, [backing]));
        expectOk(gpu.transferToHost2d(1, whole, lacking));
        const expected = new Uint8Array(bytes.length).fill(0x11);
        expected.set(bytes.subarray(lacking));
        expectOk(gpu.setScanout(0, 1, whole));
        expectOk(gpu.flushResource(1, whole));
        expectShown(guest, 0, width, height, new Uint32Array(expected.buffer));
      }));
  }

  for (const offset of [2n ** 31n, 2n ** 32n, 2n ** 53n, 2n ** 63n, 2n ** 64n - 4n, 2n ** 64n - 1n]) {
    test(`transfer of all from offset 0x${offset.toString(16)} copies nothing`, () =>
      withDevice({}, (guest) => {
        const { gpu } = guest;
        const image = gpu.createImage(1, 1, width, height);
        image.pixels.set(picture);
        expectOk(gpu.transferToHost2d(1, whole));
        image.pixels.fill(0x77);
        expectOk(gpu.transferToHost2d(1, whole, offset));
        gpu.setScanout(0, 1, whole);
        expectShown(guest, 0, width, height, picture);
      }));
  }
});

describe("scatter lists", () => {
  test("backing of scattered pages is read in order", () =>
    withDevice({}, (guest) => expectTransferred(guest, scatter(guest, 512), 0)));

  test("backing of entries of 7 bytes is read in order", () =>
    withDevice({}, (guest) => expectTransferred(guest, scatter(guest, 7), 0)));

  test("backing with zero length entries is read in order", () =>
    withDevice({}, (guest) => {
      const entries = scatter(guest, 96).flatMap((entry, at) => [
        { address: at % 2 === 0 ? 0 : entry.address, length: 0 },
        entry,
        { address: entry.address, length: 0 },
      ]);
      expectTransferred(guest, entries, 0);
    }));

  test("backing in both memory regions is read in order", () =>
    withDevice({}, (guest) => {
      const { memory } = guest;
      const half = bytes.length / 2;
      const [low, high] = memory.regions;
      const entries = [memory.allocateIn(high!, half), memory.allocateIn(low!, half)];
      memory.scatter(bytes, entries);
      expectTransferred(guest, entries, 0);
    }));

  test("backing that names a page twice is read twice", () =>
    withDevice({}, (guest) => {
      const row = guest.memory.allocate(width * 4);
      row.words.set(picture.subarray(0, width));
      const rows = Array.from({ length: height }, () => row);
      const expected = Uint32Array.from({ length: width * height }, (_, at) => picture[at % width]!);
      expectTransferred(guest, rows, 0, expected);
    }));

  test("sub-rectangle from scattered backing reads its rows", () =>
    withDevice({}, (guest) => {
      const { gpu } = guest;
      const rectangle = { x: 9, y: 6, width: 22, height: 11 };
      expectOk(gpu.createResource2d(1, Format.B8G8R8X8, width, height));
      expectOk(gpu.attachBacking(1, scatter(guest, 50)));
      expectOk(gpu.transferToHost2d(1, rectangle, (6 * width + 9) * 4));
      expectOk(gpu.setScanout(0, 1, whole));
      expectOk(gpu.flushResource(1, whole));
      const expected = paste(
        new Uint32Array(width * height),
        width,
        rectangle,
        crop(picture, width, rectangle),
      );
      expectShown(guest, 0, width, height, expected);
    }));
});

describe("resources", () => {
  test("transfer unknown resource returns ERR_INVALID_RESOURCE_ID", () =>
    withDevice({}, ({ gpu }) => {
      expectType(gpu.transferToHost2d(0, whole), ERR_INVALID_RESOURCE_ID);
      expectType(gpu.transferToHost2d(1, whole), ERR_INVALID_RESOURCE_ID);
    }));

  test("transfer without backing returns ERR_UNSPEC", () =>
    withDevice({}, ({ gpu }) => {
      expectOk(gpu.createResource2d(1, 1, width, height));
      expectType(gpu.transferToHost2d(1, whole), ERR_UNSPEC);
    }));

  test("transfer of a 4k picture arrives whole", () =>
    withDevice({}, (guest) => {
      const image = guest.gpu.createImage(1, Format.B8G8R8X8, 3840, 2160);
      const large = pattern(3840, 2160);
      image.pixels.set(large);
      guest.gpu.show(0, image);
      expectShown(guest, 0, 3840, 2160, large);
      expect(guest.display!.updates().length).toBeGreaterThan(0);
    }));
});

/** The picture in entries of `length` bytes, with holes between them and the last one first in memory. */
function scatter({ memory }: SyntheticGuest, length: number): GuestRange[] {
  const count = Math.ceil(bytes.length / length);
  const stride = length + 5;
  const buffer = memory.allocate(count * stride);
  const entries = Array.from({ length: count }, (_, at) => ({
    address: buffer.address + (count - 1 - at) * stride,
    length: Math.min(length, bytes.length - at * length),
  }));
  memory.scatter(bytes, entries);
  return entries;
}

/** Attaches `entries`, transfers everything from `offset` of them and compares what is shown. */
function expectTransferred(
  guest: SyntheticGuest,
  entries: readonly GuestRange[],
  offset: number,
  expected: Uint32Array = picture,
): void {
  const { gpu } = guest;
  expectOk(gpu.createResource2d(1, Format.B8G8R8X8, width, height));
  expectOk(gpu.attachBacking(1, entries));
  expectOk(gpu.transferToHost2d(1, whole, offset));
  expectOk(gpu.setScanout(0, 1, whole));
  expectOk(gpu.flushResource(1, whole));
  expectShown(guest, 0, width, height, expected);
}
