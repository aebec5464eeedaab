// A rehearsal while the first VMM starts its guest: the queue runs commands of a ring of our own, so that its code is compiled
// before the guest's driver comes. Nothing of it is left: neither resources, nor counts, nor a word in the log or the tap. A
// server that nobody has connected to does without: what is compiled takes memory.

import { closeFd, createMemfd } from "../../transport/os/fds.ts";
import { NativeMemory } from "../../transport/os/native-memory.ts";
import { Descriptor, DescriptorFlag, descriptorTableBytes } from "../../transport/virtio/layout.ts";
import {
  AttachBacking,
  bytesPerPixel,
  Command,
  DetachBacking,
  Format,
  Header,
  MemoryEntry,
  ResourceCreate2d,
  ResourceFlush,
  ResourceUnref,
  TransferToHost2d,
} from "../../transport/wire/virtio-gpu/protocol.ts";
import type { QueueMessage } from "../queue/messages.ts";
import type { QueueRunner } from "../queue/queue-runner.ts";
import type { Tap } from "../runtime/tap/tap.ts";
import { milliseconds } from "../../transport/os/clock.ts";

/** In all, and at a time: messages wait for as long. */
const warmUpMs = 300;
const sliceMs = 2;

const commandsMax = 128;
const queueSize = commandsMax * 2;
/** Flushes between the life of one resource and the next: what guests send most. */
const flushes = 11;
const lifeLength = flushes + 5;
const side = 16;

// Where things lie in the memory: rings, the resource's pixels, and a slot a command.
const availAt = descriptorTableBytes(queueSize);
const usedAt = 8192;
const backingAt = 16_384;
const slotsAt = backingAt + side * side * bytesPerPixel;
const slotBytes = 128;
const responseAt = slotBytes - Header.bytes;
const memoryBytes = slotsAt + commandsMax * slotBytes;

/** Questions of nobody: the session finds no one who waits for the answer. */
const token = 0;

export class WarmUp {
  private readonly memory: NativeMemory;
  private readonly availIndex: Uint16Array;
  private leftMs = warmUpMs;
  isOver = false;

  /** `clear` forgets what was counted. */
  constructor(
    private readonly queue: QueueRunner,
    private readonly tap: Tap | null,
    private readonly clear: () => void,
  ) {
    const fd = createMemfd("fencepost-warm-up", memoryBytes);
    try {
      this.memory = NativeMemory.mapShared(fd, 0, memoryBytes, "write");
    } catch (error) {
      closeFd(fd);
      throw error;
    }
    if (tap !== null) tap.rehearse();
    this.availIndex = new Uint16Array(this.memory.view(availAt + 2, 2));
    this.write();
    this.tell({
      type: "map-memory",
      regions: [{ id: 0, guestAddress: 0, size: memoryBytes, fd, fdOffset: 0 }],
      token,
    });
    this.startRing(true);
  }

  /** Runs for a moment. A guest that comes meanwhile ends it. */
  run(): void {
    const from = milliseconds();
    let tookMs = 0;
    for (; tookMs < sliceMs; tookMs = milliseconds() - from) {
      this.availIndex[0] = this.availIndex[0]! + commandsMax;
      while (this.queue.turn()) if (this.isOver) return;
      if (this.isOver) return;
    }
    this.leftMs -= tookMs;
    if (this.leftMs <= 0) this.end();
    else this.clear();
  }

  /** Ends it, at once where a guest comes. */
  end(): void {
    if (this.isOver) return;
    this.isOver = true;
    // A driver that starts from nothing: what the last one made is forgotten, and the next one begins at 0.
    this.tell({ type: "stop-ring", token });
    this.availIndex[0] = 0;
    // A ring in which anything was ever used is that of a driver that goes on.
    new Uint32Array(this.memory.view(usedAt, backingAt - usedAt)).fill(0);
    this.startRing(false);
    this.tell({ type: "stop-ring", token });
    this.tell({ type: "map-memory", regions: [], token });
    this.memory.unmap();
    this.clear();
    if (this.tap !== null) this.tap.endRehearsal();
  }

  private startRing(enabled: boolean): void {
    const none = { kickFd: -1, callFd: -1, errFd: -1, inflightFd: -1, inflightOffset: 0, inflightNum: 0 };
    const ring = {
      num: queueSize,
      desc: 0,
      avail: availAt,
      used: usedAt,
      usedLog: -1,
      base: 0,
      sharedMemoryBytes: 0,
    };
    this.tell({ type: "start-ring", ...ring, ...none, enabled, eventIdx: true, features: 0, token });
  }

  private tell(message: QueueMessage): void {
    this.queue.receive(message);
  }

  /** Writes the commands once, and offers each of them twice around the ring. */
  private write(): void {
    const view = new DataView(this.memory.view());
    const requests = Array.from({ length: commandsMax / lifeLength }, (_, index) => life(index + 1)).flat();
    for (const [slot, request] of requests.entries()) {
      const at = slotsAt + slot * slotBytes;
      for (const [offset, word] of request) view.setUint32(at + offset, word, true);
      const descriptorAt = slot * 2 * Descriptor.bytes;
      writeDescriptor(view, descriptorAt, at, responseAt, DescriptorFlag.NEXT, slot * 2 + 1);
      writeDescriptor(
        view,
        descriptorAt + Descriptor.bytes,
        at + responseAt,
        Header.bytes,
        DescriptorFlag.WRITE,
        0,
      );
      for (const entry of [slot, slot + commandsMax]) view.setUint16(availAt + 4 + entry * 2, slot * 2, true);
    }
  }
}

function writeDescriptor(
  view: DataView,
  at: number,
  address: number,
  length: number,
  flags: number,
  next: number,
): void {
  view.setUint32(at + Descriptor.address, address, true);
  view.setUint32(at + Descriptor.length, length, true);
  view.setUint16(at + Descriptor.flags, flags, true);
  view.setUint16(at + Descriptor.next, next, true);
}

/** Words of a request by their offsets. */
type Words = (readonly [number, number])[];

/** A resource's life in {@link lifeLength} commands. */
function life(id: number): Words[] {
  const create = ResourceCreate2d;
  const entry = AttachBacking.bytes;
  const flush: Words = [...rectangle(Command.RESOURCE_FLUSH), [ResourceFlush.resourceId, id]];
  return [
    [
      [Header.type, Command.RESOURCE_CREATE_2D],
      [create.resourceId, id],
      [create.format, Format.B8G8R8X8],
      [create.width, side],
      [create.height, side],
    ],
    [
      [Header.type, Command.RESOURCE_ATTACH_BACKING],
      [AttachBacking.resourceId, id],
      [AttachBacking.entryCount, 1],
      [entry + MemoryEntry.address, backingAt],
      [entry + MemoryEntry.length, side * side * bytesPerPixel],
    ],
    [...rectangle(Command.TRANSFER_TO_HOST_2D), [TransferToHost2d.resourceId, id]],
    ...Array.from({ length: flushes }, () => flush),
    [
      [Header.type, Command.RESOURCE_DETACH_BACKING],
      [DetachBacking.resourceId, id],
    ],
    [
      [Header.type, Command.RESOURCE_UNREF],
      [ResourceUnref.resourceId, id],
    ],
  ];
}

/** All of the resource, as commands begin that take a rectangle. */
function rectangle(type: number): Words {
  return [
    [Header.type, type],
    [ResourceFlush.width, side],
    [ResourceFlush.height, side],
  ];
}
