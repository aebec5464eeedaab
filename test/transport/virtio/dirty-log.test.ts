// One bit a page, as vhost-user lays them out, in memory that the VMM reads.
import { afterEach, beforeEach, expect, test } from "bun:test";
import { DirtyLog } from "../../../src/transport/virtio/dirty-log.ts";
import { closeFd, createMemfd } from "../../../src/transport/os/fds.ts";
import { NativeMemory } from "../../../src/transport/os/native-memory.ts";

const page = 4096;
const bytes = 64;
let fd: number;
let shared: NativeMemory;
let bitmap: Uint8Array;
let log: DirtyLog;
beforeEach(() => {
  fd = createMemfd("log", 2 * page);
  shared = NativeMemory.mapShared(fd, 0, 2 * page, "write");
  bitmap = new Uint8Array(shared.view());
  log = new DirtyLog(fd, 0, bytes);
});
afterEach(() => {
  log.unmap();
  shared.unmap();
  closeFd(fd);
});

/** The pages whose bits are set. */
function pages(): number[] {
  return [...bitmap].flatMap((byte, at) =>
    [0, 1, 2, 3, 4, 5, 6, 7].filter((bit) => byte & (1 << bit)).map((bit) => at * 8 + bit),
  );
}

test("a write marks the page that it lies in", () => {
  log.mark(0, 1);
  log.mark(9 * page + 17, 100);

  expect(pages()).toEqual([0, 9]);
  expect([bitmap[0], bitmap[1]]).toEqual([1, 2]);
});

test("a write over a page's border marks both", () => {
  log.mark(3 * page - 1, 2);

  expect(pages()).toEqual([2, 3]);
});

test("a long write marks every page of it and none beside", () => {
  log.mark(7 * page, 10 * page);

  expect(pages()).toEqual([7, 8, 9, 10, 11, 12, 13, 14, 15, 16]);
});

test("a write of no bytes marks nothing", () => {
  log.mark(page, 0);

  expect(pages()).toEqual([]);
});

test("marks are kept beside those of others", () => {
  bitmap[0] = 0b1000_0000;

  log.mark(0, 1);

  expect(pages()).toEqual([0, 7]);
});

test("pages beyond the bitmap are left out", () => {
  const last = bytes * 8 - 1;

  log.mark(last * page, 5 * page);
  log.mark((last + 1) * page, page);
  log.mark(2 ** 52, 2 ** 32);

  expect(pages()).toEqual([last]);
});

test("the bitmap begins at its offset", () => {
  const other = new DirtyLog(fd, page + 3, 8);

  other.mark(0, 1);

  expect(bitmap[page + 3]).toBe(1);
  other.unmap();
});

test("a bitmap outside of its file is refused, for its pages would end this process", () => {
  expect(() => new DirtyLog(fd, 0, 2 * page + 1)).toThrow(/lies outside of its file/);
  expect(() => new DirtyLog(fd, 2 * page, 1)).toThrow(/lies outside of its file/);
  expect(() => new DirtyLog(fd, 2 ** 52, 2 ** 52)).toThrow(/lies outside of its file/);
});

test("a bitmap of no bytes is refused", () => {
  expect(() => new DirtyLog(fd, 0, 0)).toThrow();
});
