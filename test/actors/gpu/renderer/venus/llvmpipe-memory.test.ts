// Where llvmpipe's memory begins in its file, and that nothing else is taken for such a file.

import { expect, test } from "bun:test";
import { llvmpipeOffset } from "../../../../../src/actors/gpu/renderer/virgl/venus/llvmpipe-memory.ts";
import { closeFd, createMemfd } from "../../../../../src/transport/os/fds.ts";
import { NativeMemory } from "../../../../../src/transport/os/native-memory.ts";

const [page, headerBytes] = [4096, 40];
const fileBytes = page + headerBytes + 4 * page;
const name = "llvmpipe memory fd";

/** The offset that is found in a file of that name which says so of itself. */
function found(of: string, bytes: bigint, offset: bigint, length = fileBytes): number {
  const fd = createMemfd(of, length);
  const memory = NativeMemory.mapShared(fd, 0, length, "write");
  new BigUint64Array(memory.view(0, 16)).set([bytes, offset]);
  memory.unmap();
  const at = llvmpipeOffset(fd);
  closeFd(fd);
  return at;
}

test("llvmpipe's file says where its memory begins", () => {
  expect(found(name, BigInt(fileBytes), BigInt(page))).toBe(page);
  expect(found(name, BigInt(fileBytes), BigInt(2 * page))).toBe(2 * page);
});

test.each([
  ["of another name", "memory", BigInt(fileBytes), BigInt(page)],
  ["that says another length", name, BigInt(fileBytes + 1), BigInt(page)],
  ["whose memory is in the header", name, BigInt(fileBytes), 0n],
  ["whose memory is not in whole pages", name, BigInt(fileBytes), 40n],
  ["whose memory is beyond its end", name, BigInt(fileBytes), BigInt(64 * page)],
  ["with a wild offset", name, BigInt(fileBytes), 2n ** 64n - 4096n],
])("a file %s is none of llvmpipe's", (_, of, bytes, offset) => {
  expect(found(of, bytes, offset)).toBe(-1);
});

test("a file that is too short is none of llvmpipe's", () => {
  expect(found(name, 16n, 4096n, 16)).toBe(-1);
});
