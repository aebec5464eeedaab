// The memory of 2D resources: here memfds, and inside of a test guest the other kinds too (`bun run test:guest`).

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { ptr } from "bun:ffi";
import { readFileSync } from "node:fs";
import { Budget } from "../../../src/actors/gpu/pixels/storage/budget.ts";
import { MemfdStorage } from "../../../src/actors/gpu/pixels/storage/memfd-storage.ts";
import { chooseTier } from "../../../src/actors/gpu/pixels/storage/probe.ts";
import type { Storage } from "../../../src/actors/gpu/pixels/storage/storage.ts";
import { Storages } from "../../../src/actors/gpu/pixels/storage/storages.ts";
import type { Tier } from "../../../src/actors/gpu/pixels/storage/tier.ts";
import { readDmabuf } from "../../../src/picture/dmabuf.ts";
import { Fourcc } from "../../../src/picture/drm-formats.ts";
import { asPointer, libc } from "../../../src/ffi/libc.ts";
import { closeFd, sizeOfFd } from "../../../src/transport/os/fds.ts";
import { hugeBytes } from "../../../src/transport/os/huge-pages.ts";
import { NativeMemory } from "../../../src/transport/os/native-memory.ts";
import { serverConfig } from "../../support/fake-context.ts";
import { kindOf, openFds } from "../../support/fds.ts";
import { hasHugePages, hugeBytesAt } from "../../support/huge-pages.ts";
import { readShared } from "../../support/gpu-reader.ts";
import { BorrowedPicture, keptLog, storageKind } from "../../support/storage.ts";

const sizes = [
  [1, 1],
  [3, 5],
  [64, 64],
  [160, 100],
  [1023, 7],
] as const;

let tier: Tier;
const { log, lines } = keptLog();
beforeAll(() => {
  tier = chooseTier(serverConfig(), log);
});
afterAll(() => {
  MemfdStorage.forget();
  tier.close();
});

const colour = (x: number, y: number, seed: number): number => (seed << 24) | (y << 12) | x;

/** Writes all of it, as a transfer does. */
function paint(storage: Storage, width: number, height: number, seed: number): void {
  const picture = painting(width, height, seed);
  const address = storage.beginWrite(0, 0, width, height);
  expect(address).toBeGreaterThan(0);
  for (let y = 0; y < height; y++) {
    const row = picture.subarray(y * width, (y + 1) * width);
    libc.memcpy(asPointer(address + y * storage.writeStride), ptr(row), row.byteLength);
  }
  storage.endWrite();
}

/** Every pixel tells where it is. */
const painting = (width: number, height: number, seed: number): Uint32Array =>
  Uint32Array.from({ length: width * height }, (_, at) => colour(at % width, Math.floor(at / width), seed));

/** Readers leave out alpha. */
const opaque = (pixel: number): number => pixel & 0xff_ffff;

function borrow(storage: Storage, width: number, height: number): BorrowedPicture {
  const { fd, stride, offset, modifierHigh, modifierLow } = storage.lend()!;
  expect({ stride, offset, modifierHigh, modifierLow }).toEqual({
    stride: storage.stride,
    offset: 0,
    modifierHigh: 0,
    modifierLow: 0,
  });
  return new BorrowedPicture(fd, stride, width, height);
}

/** Mappings of memfds and dma-bufs in this process. */
const mappings = (): number =>
  readFileSync("/proc/self/maps", "utf8")
    .split("\n")
    .filter((line) => /fencepost-resource|dmabuf/.test(line)).length;

describe(`storage of ${storageKind}`, () => {
  test("is what was asked for, and said in one line", () => {
    expect(tier.kind).toBe(storageKind);
    expect(lines).toEqual([`info 2D resources are kept in ${tier.description}`]);
  });

  for (const [width, height] of sizes) {
    test(`of ${width}x${height} pixels is zero-filled, whole pages, and holds every row`, () => {
      const storage = tier.create(width, height);
      expect(new Uint8Array(storage.view()).every((byte) => byte === 0)).toBe(true);
      expect(storage.stride).toBeGreaterThanOrEqual(width * 4);
      if (storageKind !== "gbm") expect(storage.stride).toBe(width * 4);
      expect(storage.size).toBeGreaterThanOrEqual(storage.stride * height);
      expect(storage.size % 4096).toBe(0);
      expect(sizeOfFd(storage.fd)).toBe(storage.size);
      storage.free();
    });

    test(`of ${width}x${height} pixels is read by borrowers as it is written`, () => {
      const storage = tier.create(width, height);
      const early = borrow(storage, width, height);
      for (const seed of [1, 2, 3]) {
        paint(storage, width, height, seed);
        expect(early.pixels).toEqual(painting(width, height, seed));
        const late = borrow(storage, width, height);
        expect(late.pixels).toEqual(painting(width, height, seed));
        late.return();
      }
      storage.free();
      early.return();
    });
  }

  test("is a dma-buf where a GPU or a display can take one, always the same", () => {
    const storage = tier.create(64, 64);
    const fd = storage.dmabuf();
    if (storageKind === "memfd") {
      expect(fd).toBe(-1);
      expect(storage.fitsGpu).toBe(false);
    } else {
      expect(kindOf(fd)).toStartWith("/dmabuf:");
      expect(storage.dmabuf()).toBe(fd);
      expect(storage.fitsGpu).toBe(true);
      expect(sizeOfFd(fd)).toBe(storage.size);
      paint(storage, 64, 64, 7);
      const picture = new Uint32Array(64 * 64);
      const image = { fd, width: 64, height: 64, stride: storage.stride, offset: 0, flags: 0 };
      const modifier = { modifierHigh: 0, modifierLow: 0 };
      readDmabuf(
        { ...image, ...modifier, fourcc: Fourcc.XRGB8888 },
        { x: 0, y: 0, width: 64, height: 64 },
        picture,
      );
      expect(picture.map(opaque)).toEqual(painting(64, 64, 7).map(opaque));
    }
    storage.free();
  });

  // What is written must reach the GPU's own memory, where it has some, and not only those who map the dma-buf.
  test("is read as it is written by a GPU that has imported it, at any part of it", () => {
    const [width, height] = [96, 40];
    const storage = tier.create(width, height);
    const { fd, stride } = storage.lend()!;
    const image = { fd, width, height, stride, offset: 0, flags: 0, modifierHigh: 0, modifierLow: 0 };
    const read = storageKind === "gbm" ? readShared : readDmabuf;
    const seen = (): Uint32Array => {
      const pixels = new Uint32Array(width * height);
      read({ ...image, fourcc: Fourcc.XRGB8888 }, { x: 0, y: 0, width, height }, pixels);
      return pixels.map(opaque);
    };
    const expected = painting(width, height, 3);
    paint(storage, width, height, 3);
    expect(seen()).toEqual(expected.map(opaque));
    for (const [x, y] of [
      [0, 0],
      [17, 3],
      [width - 1, height - 1],
    ] as const) {
      const pixel = Uint32Array.of(0x00ab_cdef + x);
      libc.memcpy(asPointer(storage.beginWrite(x, y, 1, 1)), ptr(pixel), 4);
      storage.endWrite();
      expected[y * width + x] = pixel[0]!;
      expect(seen()).toEqual(expected.map(opaque));
    }
    closeFd(fd);
    storage.free();
  });

  test("may be written by a borrower, and is read here", () => {
    const storage = tier.create(64, 2);
    const { fd } = storage.lend()!;
    const memory = NativeMemory.mapShared(fd, 0, storage.size, "write");
    closeFd(fd);
    new Uint32Array(memory.view())[5] = 0x1234_5678;
    memory.unmap();
    expect(new Uint32Array(storage.view())[5]).toBe(0x1234_5678);
    storage.free();
  });

  test("cannot be truncated under our mapping by a borrower", () => {
    const storage = tier.create(64, 64);
    const { fd } = storage.lend()!;
    for (const length of [0, storage.size * 2]) expect(libc.ftruncate(fd, length)).toBe(-1);
    expect(sizeOfFd(storage.fd)).toBe(storage.size);
    closeFd(fd);
    storage.free();
  });

  test("that was lent is never another's, and outlives us", () => {
    const storage = tier.create(32, 32);
    paint(storage, 32, 32, 9);
    const lent = borrow(storage, 32, 32);
    storage.free();
    const others = Array.from({ length: 20 }, () => tier.create(32, 32));
    for (const other of others) paint(other, 32, 32, 5);
    expect(lent.pixels).toEqual(painting(32, 32, 9));
    for (const other of others) other.free();
    lent.return();
  });

  test("that was not lent leaves nothing of itself to the next", () => {
    for (let round = 0; round < 20; round++) {
      const storage = tier.create(48, 48);
      expect(new Uint8Array(storage.view()).every((byte) => byte === 0)).toBe(true);
      paint(storage, 48, 48, round + 1);
      storage.free();
    }
  });

  // Of other storage there is nothing to tell.
  if (storageKind === "memfd" && hasHugePages) {
    test("lies in huge pages where it is drawn whole at once, and in small ones where little is drawn", () => {
      const whole = tier.create(1280, 800);
      paint(whole, 1280, 800, 1);
      expect(hugeBytesAt(whole.address)).toBe(whole.size);
      expect(whole.size).toBe(2 * hugeBytes);

      for (const [width, height] of [
        [1280, 200],
        [600, 800],
      ] as const) {
        const parts = tier.create(1280, 800);
        parts.beginWrite(0, 0, width, height);
        parts.endWrite();
        paint(parts, 1280, 800, 2);
        expect(hugeBytesAt(parts.address)).toBe(width === 1280 ? hugeBytes : 0);
        parts.free();
      }
      whole.free();
    });
  }

  test("leaves no descriptor and no mapping behind, lent or not", () => {
    MemfdStorage.forget();
    const before = { fds: openFds(), mappings: mappings() };
    for (let round = 0; round < 30; round++) {
      const storages = [...sizes, [1280, 800] as const].map(([width, height]) => tier.create(width, height));
      for (const [at, storage] of storages.entries()) {
        if (at % 2 === 0) closeFd(storage.lend()!.fd);
        storage.free();
      }
    }
    MemfdStorage.forget();
    expect({ fds: openFds(), mappings: mappings() }).toEqual(before);
  });

  test("is paid for by its real size, and costs nothing when it cannot be", () => {
    const budget = new Budget(1024 * 1024);
    const storages = new Storages(tier, budget, log);
    const first = storages.create(160, 100, 0)!;
    expect(budget.used).toBe(first.size);
    MemfdStorage.forget();
    const fds = openFds();
    expect(storages.create(500, 500, 0)).toBeNull();
    MemfdStorage.forget();
    expect(openFds()).toBe(fds);
    expect(budget.used).toBe(first.size);
    first.free();
    expect(budget.used).toBe(0);
  });
});
