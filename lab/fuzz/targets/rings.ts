// Rings and descriptor chains as no driver makes them, which change while the device reads them.

import * as commands from "../../driver/commands.ts";
import type { GuestBuffer } from "../../driver/guest-memory.ts";
import { DeviceTimeout } from "../../driver/pump.ts";
import { SyntheticGuest } from "../../driver/synthetic-guest.ts";
import type { ServerProcess } from "../../vmm/server-process.ts";
import { EPOLLIN } from "../../../src/transport/os/epoll.ts";
import { DescriptorFlag, Descriptor } from "../../../src/transport/virtio/layout.ts";
import { Command, Queue } from "../../../src/transport/wire/virtio-gpu/protocol.ts";
import { type Chance, odd, oneIn, pick, word } from "../chance.ts";
import { type Attack, awayFromEdges, patienceMs, type Target } from "../target.ts";

/** Chains that are offered at once. */
const together = 32;
const types = Object.values(Command);
/** Milliseconds between two looks at who serves. */
const lookMs = 50;

export const rings: Target = {
  name: "rings",
  about: "a descriptor chain, and what becomes of it while it is read",
  batch: 20_000,
  flags: () => ["--renderer", "software", "--vulkan", "off", "--storage-bytes-max", "67108864"],
  begin: ({ server }) => new RingAttack(server),
};

class RingAttack implements Attack {
  private guest!: SyntheticGuest;
  private pages!: GuestBuffer;
  /** By queue: chains that were offered, those of them that are none, and whether the device has given up on the ring. */
  private readonly offered = [0, 0];
  private readonly nameless = [0, 0];
  private readonly isBroken = [false, false];
  /** The process that has served the guest from its start. */
  private served = 0;

  constructor(private readonly server: ServerProcess) {
    this.boot();
  }

  input(chance: Chance): void {
    const index = oneIn(chance, 6) ? Queue.CURSOR : Queue.CONTROL;
    const { ring } = this.guest.queues[index]!;
    const head = chance(ring.size);
    this.chain(chance, index, head);
    const named = oneIn(chance, 400) ? word(chance) & 0xffff : head;
    ring.raw.offer(named);
    // Such a chain there is not, and nothing that could be used.
    if (named >= ring.size) this.nameless[index]!++;
    this.offered[index]!++;
    if (this.offered[index]! % (index === Queue.CURSOR ? together / 4 : together) === 0)
      this.publish(chance, index);
  }

  end(): void {
    this.guest.close();
  }

  private boot(): void {
    this.guest = SyntheticGuest.boot(this.server.socketPath, { memory: awayFromEdges, patienceMs });
    this.served = this.server.ctrlQueuePid;
    this.pages = this.guest.memory.allocate(16 * 4096);
    this.guest.queues.forEach(({ ring }, index) => {
      this.offered[index] = 0;
      this.nameless[index] = 0;
      this.isBroken[index] = false;
      this.guest.pump.epoll.add(ring.errFd, EPOLLIN, () => {
        this.isBroken[index] = true;
        this.guest.pump.epoll.remove(ring.errFd);
      });
    });
  }

  /** A request in some descriptors, and room for its answer, or neither. */
  private chain(chance: Chance, index: number, head: number): void {
    const { ring } = this.guest.queues[index]!;
    const at = chance(15) * 4096 + chance(4096 - 256);
    const request = commands.request(odd(chance, pick(chance, types)), 64, {
      flags: chance(4),
      contextId: chance(3),
    });
    for (let offset = 24; offset < 64; offset += 4)
      request.setUint32(offset, odd(chance, chance(8), 4), true);
    this.pages.bytes.set(new Uint8Array(request.buffer), at);
    const isIndirect = oneIn(chance, 4);
    const count = 1 + chance(5);
    for (let piece = 0; piece < count; piece++) {
      const isLast = piece === count - 1;
      const address = odd(chance, this.pages.address + at + piece * 16, 10);
      const length = odd(chance, isLast ? 512 : [24, 32, 40, 64][chance(4)]!, 10);
      const flags =
        (isLast ? DescriptorFlag.WRITE : DescriptorFlag.NEXT) ^ (oneIn(chance, 12) ? chance(8) : 0);
      const next = odd(chance, (isIndirect ? piece : head + piece) + 1, 20) & 0xffff;
      if (isIndirect) this.indirect(at + 512 + piece * Descriptor.bytes, address, length, flags, next);
      else ring.raw.descriptor((head + piece) % ring.size, address, length, flags, next % (ring.size + 2));
    }
    if (!isIndirect) return;
    const bytes = odd(chance, count * Descriptor.bytes);
    ring.raw.descriptor(head, this.pages.address + at + 512, bytes, DescriptorFlag.INDIRECT, 0);
  }

  private indirect(at: number, address: number, length: number, flags: number, next: number): void {
    const { bytes } = this.pages;
    if (at + Descriptor.bytes > bytes.length) return;
    const view = new DataView(bytes.buffer, bytes.byteOffset + at, Descriptor.bytes);
    view.setBigUint64(0, BigInt(address), true);
    view.setUint32(8, length, true);
    view.setUint16(12, flags, true);
    view.setUint16(14, next, true);
  }

  /** Lets the device begin, and changes what it reads. */
  private publish(chance: Chance, index: number): void {
    const { ring } = this.guest.queues[index]!;
    const isLie = oneIn(chance, 60);
    ring.raw.availIndex(this.offered[index]! + (isLie ? word(chance) : 0));
    for (let change = 0; change < 4 * together; change++) {
      const address = odd(chance, this.pages.address + chance(15 * 4096), 4);
      ring.raw.descriptor(chance(ring.size), address, odd(chance, 64, 4), chance(8), chance(ring.size + 2));
      this.pages.words[chance(this.pages.words.length)] = word(chance);
    }
    this.guest.pump.drain();
    this.settle(index, isLie);
  }

  /**
   * Until all is used that was offered, or the ring is given up, or the process that read it has died: a head that is offered
   * twice is under way once for its successor, which may answer more or less than was asked. Then, and when it has lied of its
   * index, the guest starts anew.
   */
  private settle(index: number, isLie: boolean): void {
    const { ring } = this.guest.queues[index]!;
    const expected = (this.offered[index]! - this.nameless[index]!) & 0xffff;
    const begun = performance.now();
    let [lookAt, isOver] = [begun + lookMs, isLie];
    while (!isOver && !this.isBroken[index] && ring.raw.usedIndex() !== expected) {
      this.guest.pump.epoll.wait(1);
      const now = performance.now();
      if (now < lookAt) continue;
      lookAt = now + lookMs;
      isOver = this.server.ctrlQueuePid !== this.served;
      if (now > begun + patienceMs)
        throw new DeviceTimeout(`queue ${index} used ${ring.raw.usedIndex()} of ${expected} chains`);
      if (this.guest.frontend.closed) throw new Error("the session has ended for what is in the ring");
    }
    if (!isOver && !this.isBroken[index]) return;
    this.guest.close();
    this.boot();
  }
}
