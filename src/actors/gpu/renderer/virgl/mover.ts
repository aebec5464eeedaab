// The library's transfers: one layer of a box to or from a resource's backing, or a rectangle to or from native memory.

import type { Pointer } from "bun:ffi";
import { asPointer } from "../../../../ffi/libc.ts";
import { boxWords, iovecBytes, type Virglrenderer } from "../../../../ffi/virglrenderer.ts";
import { NativeMemory } from "../../../../transport/os/native-memory.ts";
import type { Direction, Transfer } from "../transfer.ts";

/** Where the one iovec of a rectangle lies, behind the box. */
const iovecAt = 64;

export class Mover {
  private readonly memory = NativeMemory.allocate(iovecAt + iovecBytes);
  private readonly box = new Uint32Array(this.memory.view(0, boxWords * 4));
  private readonly iovec = new Uint32Array(this.memory.view(iovecAt, iovecBytes));

  constructor(private readonly symbols: Virglrenderer["required"]) {}

  /** Copies layer `layer` of a transfer's box; its rows begin at byte `offset` of the backing. Returns an errno. */
  layer(
    direction: Direction,
    id: number,
    context: number,
    { words, at, level, stride }: Transfer,
    layer: number,
    offset: number,
  ): number {
    const { box } = this;
    for (let word = 0; word < boxWords; word++) box[word] = words[at + word]!;
    box[2] = words[at + 2]! + layer;
    box[5] = 1;
    return this.move(direction, id, context, level, stride, offset, null, 0);
  }

  /** Copies a rectangle of a 2D texture; `bytes` bytes from `address` on hold its rows. Returns an errno. */
  rectangle(
    direction: Direction,
    id: number,
    x: number,
    y: number,
    width: number,
    height: number,
    address: number,
    bytes: number,
    stride: number,
  ): number {
    const { box, iovec } = this;
    box[0] = x;
    box[1] = y;
    box[2] = 0;
    box[3] = width;
    box[4] = height;
    box[5] = 1;
    iovec[0] = address;
    iovec[1] = Math.floor(address / 2 ** 32);
    iovec[2] = bytes;
    iovec[3] = Math.floor(bytes / 2 ** 32);
    return this.move(direction, id, 0, 0, stride, 0, asPointer(this.memory.address + iovecAt), 1);
  }

  close(): void {
    this.memory.unmap();
  }

  private move(
    direction: Direction,
    id: number,
    context: number,
    level: number,
    stride: number,
    offset: number,
    iovec: Pointer | null,
    count: number,
  ): number {
    const { symbols } = this;
    const box = asPointer(this.memory.address);
    const error =
      direction === "to-host"
        ? symbols.virgl_renderer_transfer_write_iov(id, context, level, stride, 0, box, offset, iovec, count)
        : symbols.virgl_renderer_transfer_read_iov(id, context, level, stride, 0, box, offset, iovec, count);
    return Math.abs(error);
  }
}
