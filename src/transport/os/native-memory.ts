// Memory outside the JavaScript heap: anonymous scratch space, and mappings of shared descriptors.

import { toArrayBuffer } from "bun:ffi";
import {
  asPointer,
  errno,
  libc,
  MADV_REMOVE,
  MAP_ANONYMOUS,
  MAP_FIXED,
  MAP_NORESERVE,
  MAP_PRIVATE,
  MAP_SHARED,
  PROT_NONE,
  PROT_READ,
  PROT_WRITE,
} from "../../ffi/libc.ts";
import { Refusal, SystemError } from "./errors.ts";
import { sealSize, sizeOfFd } from "./fds.ts";

/** The longest view that one ArrayBuffer can give, in bytes. */
const viewBytesMax = 2 ** 32;
const pageBytes = 4096;
const reserving = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;

/**
 * A mapping with a fixed native address. Views made by {@link view} must not be used after {@link unmap}:
 * nothing stops them from reading whatever is mapped there next.
 */
export class NativeMemory {
  private constructor(
    readonly address: number,
    readonly length: number,
    private readonly base: number,
    private readonly mapped: number,
  ) {}

  /** Zero-filled private memory of at least `length` bytes; pages are made when first touched. */
  static allocate(length: number): NativeMemory {
    const base = map(length, PROT_READ | PROT_WRITE, reserving, -1, 0, `allocating ${length} bytes`);
    return new NativeMemory(base, length, base, length);
  }

  /** What another thread of this process has mapped at `address`, and keeps: to {@link unmap} it here does nothing. */
  static mappedAt(address: number, length: number): NativeMemory {
    return new NativeMemory(address, length, address, 0);
  }

  /** Maps `length` bytes of `fd` from `offset` (any alignment), shared. The fd may be closed afterwards. */
  static mapShared(fd: number, offset: number, length: number, access: "read" | "write"): NativeMemory {
    const skew = offset % pageBytes;
    const doing = `mapping ${length} bytes of fd ${fd}`;
    const base = map(
      length + skew,
      protectionOf(access),
      MAP_SHARED | MAP_NORESERVE,
      fd,
      offset - skew,
      doing,
    );
    return new NativeMemory(base + skew, length, base, length + skew);
  }

  /**
   * The same of a descriptor's first bytes, at an address that is a multiple of `alignment` where they are so many: what
   * that asks of huge pages.
   */
  static mapAligned(fd: number, length: number, access: "read" | "write", alignment: number): NativeMemory {
    if (length < alignment) return NativeMemory.mapShared(fd, 0, length, access);
    // Linux has no call for this. What is reserved may be mapped over, and the rest of it goes.
    const spare = map(length + alignment, PROT_NONE, reserving, -1, 0, `reserving ${length} bytes`);
    const base = Math.ceil(spare / alignment) * alignment;
    const end = base + Math.ceil(length / pageBytes) * pageBytes;
    libc.munmap(asPointer(end), spare + length + alignment - end);
    if (base > spare) libc.munmap(asPointer(spare), base - spare);
    try {
      const flags = MAP_SHARED | MAP_NORESERVE | MAP_FIXED;
      map(length, protectionOf(access), flags, fd, 0, `mapping ${length} bytes of fd ${fd}`, base);
    } catch (error) {
      libc.munmap(asPointer(base), length);
      throw error;
    }
    return new NativeMemory(base, length, base, length);
  }

  /**
   * Maps pieces of files one behind the other, to read `length` bytes from byte `offset` of the first on. Of each, `pieces` has
   * which of `fds` it is, the byte of its file, and its length: whole pages, but for the last.
   */
  static mapPieces(
    fds: readonly number[],
    pieces: readonly number[],
    offset: number,
    length: number,
  ): NativeMemory {
    const whole = offset + length;
    const base = map(whole, PROT_NONE, reserving, -1, 0, `reserving ${whole} bytes`);
    try {
      let at = base;
      for (let piece = 0; piece < pieces.length; piece += 3) {
        const [fd, bytes] = [fds[pieces[piece]!]!, pieces[piece + 2]!];
        const flags = MAP_SHARED | MAP_NORESERVE | MAP_FIXED;
        map(bytes, PROT_READ, flags, fd, pieces[piece + 1]!, `mapping ${bytes} bytes of fd ${fd}`, at);
        at += bytes;
      }
    } catch (error) {
      libc.munmap(asPointer(base), whole);
      throw error;
    }
    return new NativeMemory(base + offset, length, base, whole);
  }

  /**
   * Maps memory that another process shares, writable. Where the file allows it, it is sealed, and where `what` lies
   * outside of it a {@link Refusal} is thrown: touching a page beyond a file's end is SIGBUS, the end of this process.
   */
  static mapForeign(fd: number, offset: number, length: number, what: string): NativeMemory {
    sealSize(fd);
    if (offset + length > sizeOfFd(fd)) throw new Refusal(`${what} lies outside of its file`);
    return NativeMemory.mapShared(fd, offset, length, "write");
  }

  /** A view of `[offset, offset + length)`; at most 4 GiB. */
  view(offset = 0, length = Math.min(this.length - offset, viewBytesMax)): ArrayBuffer {
    if (offset < 0 || length < 0 || offset + length > this.length) {
      throw new RangeError(`view ${offset}+${length} is outside of ${this.length} mapped bytes`);
    }
    return toArrayBuffer(asPointer(this.address), offset, length);
  }

  /** Gives the pages of a shared file back to the host, as far as it takes them: they are zero from then on. */
  vacate(): void {
    libc.madvise(asPointer(this.base), this.address + this.length - this.base, MADV_REMOVE);
  }

  /**
   * Puts `length` bytes of `fd` in the place of those that are mapped here, from the same `offset` on, shared and writable, for all
   * threads at once: views go on, and see what lies there. Both are whole pages, but for the end. The fd may be closed afterwards.
   */
  replaceShared(fd: number, offset = 0, length = this.length): void {
    const flags = MAP_SHARED | MAP_NORESERVE | MAP_FIXED;
    const doing = `mapping ${length} bytes of fd ${fd}`;
    map(length, protectionOf("write"), flags, fd, offset, doing, this.address + offset);
  }

  unmap(): void {
    if (this.mapped > 0) libc.munmap(asPointer(this.base), this.mapped);
  }
}

const protectionOf = (access: "read" | "write"): number =>
  access === "write" ? PROT_READ | PROT_WRITE : PROT_READ;

function map(
  length: number,
  protection: number,
  flags: number,
  fd: number,
  offset: number,
  doing: string,
  at = 0,
): number {
  const address = Number(libc.mmap(asPointer(at), length, protection, flags, fd, offset));
  // MAP_FAILED is (void *)-1, which arrives as 2^64 or -1.
  if (address < 0 || address >= 2 ** 63) throw new SystemError("mmap", errno(), doing);
  return address;
}
