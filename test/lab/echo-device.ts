// The other side of a DriverRing, as plain as can be: answers each chain by the start of its request.

import { libc } from "../../src/ffi/libc.ts";
import type { DriverRing } from "../../lab/driver/driver-ring.ts";
import type { GuestMemory, GuestRange } from "../../lab/driver/guest-memory.ts";
import { DescriptorFlag } from "../../src/transport/virtio/layout.ts";

export interface SeenChain {
  head: number;
  readable: GuestRange[];
  writable: GuestRange[];
}

const one = new BigUint64Array([1n]);

export class EchoDevice {
  readonly seen: SeenChain[] = [];
  private next: number;

  constructor(
    private readonly memory: GuestMemory,
    private readonly ring: DriverRing,
    base = 0,
  ) {
    this.next = base;
  }

  /** Takes every chain that is offered and uses it; `keep` remembers them in {@link seen}. Answers how many. */
  serve(keep = true): number {
    const { ring } = this;
    const avail = ring.avail.halfwords;
    const used = ring.used.words;
    let count = 0;
    for (; this.next !== avail[1]; count++) {
      const slot = this.next & (ring.size - 1);
      const chain = this.walk(avail[2 + slot]!);
      const request = this.memory.gather(chain.readable);
      const room = chain.writable.reduce((sum, { length }) => sum + length, 0);
      this.memory.scatter(request.subarray(0, room), chain.writable);
      used[1 + 2 * slot] = chain.head;
      used[2 + 2 * slot] = Math.min(room, request.length);
      this.next = (this.next + 1) & 0xffff;
      if (keep) this.seen.push(chain);
    }
    Atomics.store(ring.used.halfwords, 1, this.next);
    return count;
  }

  /** Interrupts the driver. */
  call(): void {
    libc.write(this.ring.callFd, one, 8);
  }

  private walk(head: number): SeenChain {
    const chain: SeenChain = { head, readable: [], writable: [] };
    let table = this.ring.descriptors.data;
    let index = head;
    for (;;) {
      const at = index * 16;
      const address = Number(table.getBigUint64(at, true));
      const length = table.getUint32(at + 8, true);
      const flags = table.getUint16(at + 12, true);
      if (flags & DescriptorFlag.INDIRECT) {
        const bytes = this.memory.bytesAt(address, length);
        table = new DataView(bytes.buffer as ArrayBuffer, bytes.byteOffset, length);
        index = 0;
        continue;
      }
      (flags & DescriptorFlag.WRITE ? chain.writable : chain.readable).push({ address, length });
      if (!(flags & DescriptorFlag.NEXT)) return chain;
      index = table.getUint16(at + 14, true);
    }
  }
}
