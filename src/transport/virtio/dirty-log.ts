// The bitmap of guest pages that the device wrote, shared with a VMM that is migrating.
// vhost-user "Migration": one bit a 4 KiB page, set with an atomic OR.

import { NativeMemory } from "../os/native-memory.ts";

const pageShift = 12;

export class DirtyLog {
  private readonly memory: NativeMemory;
  private readonly bits: Uint8Array;

  /** Maps `bytes` of bitmap from `fd` at `offset`; the fd may be closed afterwards. */
  constructor(fd: number, offset: number, bytes: number) {
    this.memory = NativeMemory.mapForeign(fd, offset, bytes, "the dirty log");
    this.bits = new Uint8Array(this.memory.view());
  }

  /** Sets the bits of the pages of `[address, address + length)`; pages beyond the bitmap are left out. */
  mark(address: number, length: number): void {
    if (length === 0) return;
    const last = Math.min(Math.floor((address + length - 1) / 2 ** pageShift), this.bits.length * 8 - 1);
    for (let page = Math.floor(address / 2 ** pageShift); page <= last; page++) {
      Atomics.or(this.bits, Math.floor(page / 8), 1 << (page % 8));
    }
  }

  unmap(): void {
    this.memory.unmap();
  }
}
