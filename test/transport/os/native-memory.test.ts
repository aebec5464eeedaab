// Mappings: zero-filled, shared between mappings of one descriptor, at any offset, and bounds-checked views.
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { closeFd, createMemfd, sizeOfFd } from "../../../src/transport/os/fds.ts";
import { NativeMemory } from "../../../src/transport/os/native-memory.ts";
import { openFds } from "../../support/fds.ts";

test("scratch memory is zero-filled and writable", () => {
  const memory = NativeMemory.allocate(10_000);
  const bytes = new Uint8Array(memory.view());

  expect(bytes).toHaveLength(10_000);
  expect(bytes.every((byte) => byte === 0)).toBe(true);
  bytes[9_999] = 7;
  expect(new Uint8Array(memory.view(9_999, 1))[0]).toBe(7);
  memory.unmap();
});

test("two mappings of one memfd see each other's writes", () => {
  const fd = createMemfd("test", 8192);
  const one = NativeMemory.mapShared(fd, 0, 8192, "write");
  const other = NativeMemory.mapShared(fd, 0, 8192, "read");
  closeFd(fd);

  new Uint8Array(one.view())[5000] = 42;

  expect(new Uint8Array(other.view())[5000]).toBe(42);
  one.unmap();
  other.unmap();
});

test("a mapping may start at any offset", () => {
  const fd = createMemfd("test", 3 * 4096);
  const whole = NativeMemory.mapShared(fd, 0, 3 * 4096, "write");
  new Uint8Array(whole.view()).forEach((_, at, all) => (all[at] = at % 251));

  for (const offset of [0, 1, 4095, 4096, 4097, 8191]) {
    const part = NativeMemory.mapShared(fd, offset, 100, "read");
    const expected = Array.from({ length: 100 }, (_, at) => (offset + at) % 251);
    expect([...new Uint8Array(part.view())]).toEqual(expected);
    part.unmap();
  }
  whole.unmap();
  closeFd(fd);
});

test("a long mapping begins where it is to, and leaves nothing when it goes", () => {
  const alignment = 2 * 1024 * 1024;
  const length = alignment + 5000;
  const fd = createMemfd("aligned-test", length);
  const mappings = (): number =>
    readFileSync("/proc/self/maps", "utf8")
      .split("\n")
      .filter((line) => line.includes("aligned-test")).length;

  const memory = NativeMemory.mapAligned(fd, length, "write", alignment);
  expect(memory.address % alignment).toBe(0);
  expect(mappings()).toBe(1);
  new Uint8Array(memory.view())[length - 1] = 9;
  memory.unmap();
  expect(mappings()).toBe(0);

  const again = NativeMemory.mapAligned(fd, length, "read", alignment);
  expect(new Uint8Array(again.view())[length - 1]).toBe(9);
  again.unmap();
  closeFd(fd);
  expect(() => NativeMemory.mapAligned(-1, length, "read", alignment)).toThrow(/mmap failed with EBADF/);
});

test("a view outside of the mapping throws", () => {
  const memory = NativeMemory.allocate(100);

  expect(() => memory.view(0, 101)).toThrow(RangeError);
  expect(() => memory.view(100, 1)).toThrow(RangeError);
  expect(() => memory.view(-1, 1)).toThrow(RangeError);
  expect(() => memory.view(10, -1)).toThrow(RangeError);
  memory.unmap();
});

test("what cannot be mapped throws an error that names the call and the errno", () => {
  expect(() => NativeMemory.mapShared(-1, 0, 4096, "read")).toThrow(/mmap failed with EBADF/);
  expect(() => NativeMemory.mapShared(-1, 0, 0, "read")).toThrow(/mmap failed with/);
  expect(() => NativeMemory.allocate(2 ** 52)).toThrow(/mmap failed with ENOMEM/);
});

test("a memfd has its size, and keeps it", () => {
  const fd = createMemfd("test", 5000);

  expect(sizeOfFd(fd)).toBe(5000);
  expect(() => NativeMemory.mapShared(fd, 0, 5000, "write").unmap()).not.toThrow();
  closeFd(fd);
});

test("a memfd that cannot be sized leaves no descriptor behind", () => {
  const before = openFds();

  expect(() => createMemfd("test", -1)).toThrow(/ftruncate failed with EINVAL/);
  expect(openFds()).toBe(before);
});

test("sizing what is no file throws", () => {
  expect(() => sizeOfFd(-1)).toThrow(/lseek failed with EBADF/);
});
