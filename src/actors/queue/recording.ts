// What a queue tells the recorder, while it is asked to. Nothing here makes an object for a command.

import { EntryKind } from "../../transport/wire/record/entries.ts";
import type { MemoryMap } from "../../transport/virtio/memory-map.ts";
import type { ActorContext } from "../runtime/actor.ts";
import { Rings } from "../recorder/manifest.ts";
import { type GuestBytes, RecordRing } from "./record-ring.ts";
import type { Request } from "./request.ts";

/** Longer bodies are several entries: who reads them needs no more memory at a time. */
const bodyBytesMax = 1024 * 1024;
const u32 = 2 ** 32;

export class QueueRecording {
  /** The count of the command that runs, 0 while none does. */
  running = 0;
  /** Whether each flush is recorded with a checksum. */
  hasChecksums = false;
  /** What {@link rowsOf} are: bytes that a command reads, or some of a keyframe's. */
  bytesKind: number = EntryKind.bytes;
  readonly ring: RecordRing;
  private commands = 0;

  constructor(
    context: Pick<ActorContext, "config" | "area">,
    private readonly queue: 0 | 1,
    private readonly request: Request,
    private readonly headerBytes: number,
  ) {
    const { config } = context;
    const most = Math.min(config.recordRingBytes, Rings.ringBytesMax[queue]);
    const memory = context.area("recording", "write");
    try {
      this.ring = new RecordRing(memory, queue, 2 ** Math.floor(Math.log2(most)), config.recordWaitMs);
    } catch (error) {
      memory.unmap();
      throw error;
    }
  }

  /** A command was copied in, and runs now; `room` is bytes for its answer. */
  taken(room: number): void {
    const { ring, request } = this;
    this.running = ++this.commands;
    ring.begin(EntryKind.command, request.length, this.queue, this.running, room);
    ring.put(request.address, request.length);
    ring.end();
  }

  /** The command that runs is put off. Returns its count. */
  park(): number {
    const { running } = this;
    this.running = 0;
    return running;
  }

  /** The command that runs has its answer, if it runs: what holds none is not recorded. */
  completed(type: number, bytes: number): void {
    const { running } = this;
    this.running = 0;
    this.answered(running, type, bytes);
  }

  /** A command has its response, of `bytes` in all, whose body is in place; 0 is one from before the recording. */
  answered(command: number, type: number, bytes: number): void {
    if (command === 0) return;
    const { ring, queue, request, headerBytes } = this;
    const length = Math.max(0, bytes - headerBytes);
    ring.begin(EntryKind.answer, length, queue, command, type);
    ring.put(request.responseAddress + headerBytes, length);
    ring.end();
  }

  reset(): void {
    this.plain(EntryKind.reset, this.queue);
  }

  ringStarted(features: number, num: number): void {
    this.plain(EntryKind.ring, this.queue, 1, features, num);
  }

  ringStopped(): void {
    this.plain(EntryKind.ring, this.queue);
  }

  memory({ spans }: MemoryMap): void {
    const { ring } = this;
    ring.begin(EntryKind.memory, spans.length * 16);
    for (const { start, end } of spans) {
      this.long(start);
      this.long(end - start);
    }
    ring.end();
  }

  /** An entry without a body. */
  plain(kind: number, a = 0, b = 0, c = 0, d = 0, e = 0, f = 0): void {
    this.ring.begin(kind, 0, a, b, c, d, e, f);
    this.ring.end();
  }

  /** A number below 2^53, in two words. */
  long(value: number): void {
    this.ring.putWord(value % u32);
    this.ring.putWord(Math.floor(value / u32));
  }

  /**
   * Rows of a backing have been read, from byte `offset` on and `stride` apart, and are now at native `address`,
   * `addressStride` apart.
   */
  rowsAt(
    address: number,
    addressStride: number,
    resource: number,
    offset: number,
    rowBytes: number,
    rows: number,
    stride: number,
  ): void {
    const most = Math.max(1, Math.floor(bodyBytesMax / rowBytes));
    for (let row = 0; row < rows; row += most) {
      const count = Math.min(most, rows - row);
      this.beginBytes(resource, offset + row * stride, rowBytes, count, stride);
      if (addressStride === rowBytes) this.ring.put(address + row * rowBytes, count * rowBytes);
      else {
        for (let one = row; one < row + count; one++) this.ring.put(address + one * addressStride, rowBytes);
      }
      this.ring.end();
    }
  }

  /** Rows of a backing are about to be read, from byte `offset` on and `stride` apart, as far as it goes. */
  rowsOf(
    backing: GuestBytes,
    resource: number,
    offset: number,
    rowBytes: number,
    rows: number,
    stride: number,
  ): void {
    if (rowBytes > bodyBytesMax || (rows > 1 && rowBytes === stride)) {
      this.span(backing, resource, offset, rowBytes * (rowBytes === stride ? rows : 1));
      if (rowBytes !== stride && rows > 1)
        this.rowsOf(backing, resource, offset + stride, rowBytes, rows - 1, stride);
      return;
    }
    const most = Math.max(1, Math.floor(bodyBytesMax / rowBytes));
    for (let row = 0; row < rows; row += most) {
      const from = offset + row * stride;
      const held = Math.floor((backing.length - from - rowBytes) / stride) + 1;
      const count = Math.min(most, rows - row, rows === 1 ? 1 : held);
      if (count <= 0 || from + rowBytes > backing.length) return this.span(backing, resource, from, rowBytes);
      this.beginBytes(resource, from, rowBytes, count, stride);
      for (let one = 0; one < count; one++) this.ring.putGuest(backing, from + one * stride, rowBytes);
      this.ring.end();
    }
  }

  close(): void {
    this.ring.close();
  }

  private span(backing: GuestBytes, resource: number, offset: number, bytes: number): void {
    const end = Math.min(offset + bytes, backing.length);
    for (let from = offset; from < end; from += bodyBytesMax) {
      const count = Math.min(bodyBytesMax, end - from);
      this.beginBytes(resource, from, count, 1, 0);
      this.ring.putGuest(backing, from, count);
      this.ring.end();
    }
  }

  private beginBytes(resource: number, offset: number, rowBytes: number, rows: number, stride: number): void {
    const [low, high] = [offset % u32, Math.floor(offset / u32)];
    this.ring.begin(this.bytesKind, rowBytes * rows, resource, low, high, rowBytes, stride);
  }
}
