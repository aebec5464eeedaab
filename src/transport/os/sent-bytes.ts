// Bytes that one actor copies for another, and sends as a descriptor.

import { Refusal } from "./errors.ts";
import { closeFd, createMemfd, isMemfd, isSizeSealed, sizeOfFd } from "./fds.ts";
import { NativeMemory } from "./native-memory.ts";

/**
 * The first `count` bytes of the file, whose descriptor it takes over. Throws a `Refusal` where they cannot be mapped, or somebody could
 * cut them off meanwhile.
 */
export const bytesIn = (fd: number, count: number): Uint8Array<ArrayBuffer> =>
  withSent(fd, count, (bytes) => bytes.slice());

/** Copies the first bytes of the file to all of `target`; else as {@link bytesIn}. */
export const copySent = (fd: number, target: Uint8Array): void =>
  withSent(fd, target.length, (bytes) => target.set(bytes));

function withSent<T>(fd: number, count: number, use: (bytes: Uint8Array<ArrayBuffer>) => T): T {
  try {
    if (!isSentWhole(fd, count)) throw new Refusal("what was sent is not as long as it says");
    const memory = NativeMemory.mapShared(fd, 0, count, "read");
    const result = use(new Uint8Array(memory.view()));
    memory.unmap();
    return result;
  } finally {
    closeFd(fd);
  }
}

/** Whether nobody can take any of the first `count` bytes away: whoever read them then would end by SIGBUS. */
export const isSentWhole = (fd: number, count: number): boolean =>
  isMemfd(fd) && isSizeSealed(fd) && sizeOfFd(fd) >= count;

/** A new memfd of `count` bytes, which `fill` writes. The caller owns it; it is closed where `fill` throws, or nothing can be mapped. */
export function memfdWith(name: string, count: number, fill: (bytes: ArrayBuffer) => void): number {
  const fd = createMemfd(name, count);
  let memory: NativeMemory | null = null;
  try {
    memory = NativeMemory.mapShared(fd, 0, count, "write");
    fill(memory.view());
  } catch (error) {
    closeFd(fd);
    throw error;
  } finally {
    memory?.unmap();
  }
  return fd;
}
