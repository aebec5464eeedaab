// The used indexes of a guest's queues, by which a VMM tells whether the device has a reason to interrupt. They are read from
// the memory's descriptor and not from a mapping: one that somebody has shortened must not end the VMM.

import { libc } from "../../src/ffi/libc.ts";
import { Queue } from "../../src/transport/wire/virtio-gpu/protocol.ts";
import type { ControlBlock } from "./control-block.ts";

/** Of the index in a used ring (virtio 1.3 §2.7.8). */
const indexOffset = 2;

export class UsedRings {
  private readonly index = new Uint16Array(1);

  constructor(
    private readonly memoryFd: number,
    private readonly control: ControlBlock,
  ) {}

  /** Whether anything was used since the last {@link take}. */
  get hasMoved(): boolean {
    for (let queue = 0; queue < Queue.count; queue++)
      if (this.read(queue) !== this.control.usedSeen(queue)) return true;
    return false;
  }

  /** As {@link hasMoved}, which begins anew. */
  take(): boolean {
    let moved = false;
    for (let queue = 0; queue < Queue.count; queue++) {
      const index = this.read(queue);
      moved ||= index !== this.control.usedSeen(queue);
      this.control.seeUsed(queue, index);
    }
    return moved;
  }

  private read(queue: number): number {
    const address = this.control.usedAddress(queue);
    // What cannot be read has not moved.
    if (address === 0 || libc.pread(this.memoryFd, this.index, 2, address + indexOffset) !== 2)
      return this.control.usedSeen(queue);
    return this.index[0]!;
  }
}
