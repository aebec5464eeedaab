// A backing as the renderer wants it: an array of struct iovec that stays where it is for as long as it is attached.

import { toArrayBuffer } from "bun:ffi";
import { asPointer, libc } from "../../../../ffi/libc.ts";
import { iovecBytes } from "../../../../ffi/virglrenderer.ts";
import type { Backing } from "../../model/backing.ts";

export class Iovecs {
  private constructor(
    readonly address: number,
    readonly count: number,
  ) {}

  /** The pieces of `backing`, or null when some of it is no longer guest memory, or there is no memory for them. */
  static of(backing: Backing): Iovecs | null {
    const count = backing.countPieces();
    if (count < 0) return null;
    const bytes = Math.max(count, 1) * iovecBytes;
    const address = Number(libc.malloc(bytes));
    if (address === 0) return null;
    backing.writeIovecs(new Uint32Array(toArrayBuffer(asPointer(address), 0, bytes)));
    return new Iovecs(address, count);
  }

  free(): void {
    libc.free(asPointer(this.address));
  }
}
