// Huge pages for what a first write covers, as the kernel counts them; zeroes and bytes as ever.
import { afterEach, expect, test } from "bun:test";
import { asPointer, libc } from "../../../src/ffi/libc.ts";
import { closeFd, createMemfd } from "../../../src/transport/os/fds.ts";
import { hugeBytes, HugePages, roundToHuge } from "../../../src/transport/os/huge-pages.ts";
import { NativeMemory } from "../../../src/transport/os/native-memory.ts";
import { hasHugePages, hugeBytesAt } from "../../support/huge-pages.ts";

const open: NativeMemory[] = [];
afterEach(() => open.splice(0).forEach((memory) => memory.unmap()));

/** New memory of so many chunks, and its pages. */
function mapped(chunks: number): { memory: NativeMemory; huge: HugePages } {
  const fd = createMemfd("test", chunks * hugeBytes);
  const memory = NativeMemory.mapAligned(fd, chunks * hugeBytes, "write", hugeBytes);
  closeFd(fd);
  open.push(memory);
  return { memory, huge: new HugePages(memory.address, memory.length) };
}

/** Writes as whoever has said so. */
function write({ memory, huge }: ReturnType<typeof mapped>, from: number, to: number, dense = true): void {
  huge.touch(from, to, dense);
  libc.memset(asPointer(memory.address + from), 7, to - from);
}

test.skipIf(!hasHugePages)("what a write covers has huge pages", () => {
  const mapping = mapped(4);
  write(mapping, 0, 4 * hugeBytes - 100_000);

  expect(hugeBytesAt(mapping.memory.address)).toBe(4 * hugeBytes);
});

test.skipIf(!hasHugePages)(
  "a chunk of which most is left alone has small pages, also when it is written whole later",
  () => {
    const mapping = mapped(3);
    write(mapping, hugeBytes / 2 + 1, 2 * hugeBytes + 10);
    write(mapping, 0, 3 * hugeBytes);

    expect(hugeBytesAt(mapping.memory.address)).toBe(hugeBytes);
  },
);

test.skipIf(!hasHugePages)("a write of a few bytes here and there makes none", () => {
  const mapping = mapped(2);
  write(mapping, 0, 2 * hugeBytes, false);

  expect(hugeBytesAt(mapping.memory.address)).toBe(0);
});

test("what is not written is zero, and what is stays", () => {
  const mapping = mapped(2);
  write(mapping, 10, hugeBytes + 5);

  const bytes = new Uint8Array(mapping.memory.view());
  expect([bytes[9], bytes[10], bytes[hugeBytes + 4], bytes[hugeBytes + 5]]).toEqual([0, 7, 7, 0]);
  expect(bytes.subarray(hugeBytes + 5).every((byte) => byte === 0)).toBe(true);
});

test("more memory than there are bits is written like any other", () => {
  const mapping = mapped(34);
  write(mapping, 31 * hugeBytes, 34 * hugeBytes);

  const bytes = new Uint8Array(mapping.memory.view());
  expect([bytes[31 * hugeBytes - 1], bytes[31 * hugeBytes], bytes.at(-1)]).toEqual([0, 7, 7]);
});

test("bytes are rounded up where they are little short of huge pages", () => {
  expect(roundToHuge(0)).toBe(0);
  expect(roundToHuge(4096)).toBe(4096);
  expect(roundToHuge(1280 * 800 * 4)).toBe(2 * hugeBytes);
  expect(roundToHuge(1920 * 1080 * 4)).toBe(4 * hugeBytes);
  expect(roundToHuge(1024 * 768 * 4)).toBe(1024 * 768 * 4);
  expect(roundToHuge(3 * hugeBytes)).toBe(3 * hugeBytes);
});
