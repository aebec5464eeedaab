// Requests and responses over one ring: places bytes in guest memory in any number of pieces, collects what is used.

import {
  Command,
  CapsetInfo,
  DisplayInfo,
  Edid,
  Header,
  MapInfo,
  ResourceUuid,
} from "../../src/transport/wire/virtio-gpu/protocol.ts";
import { EPOLLET, EPOLLIN } from "../../src/transport/os/epoll.ts";
import type { DriverRing } from "./driver-ring.ts";
import type { GuestBuffer, GuestMemory, GuestRange } from "./guest-memory.ts";
import type { Pump } from "./pump.ts";

export interface SubmitOptions {
  /** Room for the response in bytes; without it, what the command's answer needs. */
  responseBytes?: number;
  /** Lengths of the descriptors that hold the request, which they must add up to. 0 is a length. */
  requestPieces?: readonly number[];
  /** Lengths of the descriptors for the response; they set its room. */
  responsePieces?: readonly number[];
  /** Puts the chain into an indirect table. */
  indirect?: boolean;
  /** Leaves the chain unpublished until the next submit or {@link CommandQueue.commit}. */
  hold?: boolean;
}

export interface CommandResult {
  /** Bytes written, as the used ring says. */
  length: number;
  /** The response header's fields; all zero when it was not written whole. */
  type: number;
  flags: number;
  fenceId: bigint;
  contextId: number;
  ringIndex: number;
  /** All the room that the device had, {@link untouched} where it wrote nothing. */
  bytes: Uint8Array;
}

/** A command on its way. */
export interface Submission {
  done: boolean;
  /** Valid once `done`. */
  result: CommandResult;
  readonly head: number;
  readonly writable: readonly GuestRange[];
}

/** What every byte of a response is before the device writes it. */
export const untouched = 0xa5;

export class CommandQueue {
  /** Commands that were offered so far. */
  submitted = 0;
  private readonly buffers: BufferPool;
  private readonly pending = new Map<number, Held>();

  constructor(
    readonly ring: DriverRing,
    private readonly memory: GuestMemory,
    private readonly pump: Pump,
  ) {
    this.buffers = new BufferPool(memory);
    pump.epoll.add(ring.callFd, EPOLLIN | EPOLLET, () => undefined);
  }

  /** Offers a request; waits for room when the ring is full. */
  submit(request: DataView | Uint8Array, options: SubmitOptions = {}): Submission {
    const bytes = new Uint8Array(request.buffer as ArrayBuffer, request.byteOffset, request.byteLength);
    const requestPieces = options.requestPieces ?? (bytes.length > 0 ? [bytes.length] : []);
    const room = options.responseBytes ?? responseBytesOf(bytes);
    const responsePieces = options.responsePieces ?? (room > 0 ? [room] : []);
    const needed = options.indirect ? 1 : requestPieces.length + responsePieces.length;
    if (needed > this.ring.size)
      throw new RangeError(`a chain of ${needed} descriptors does not fit the ring`);
    const readable = this.place(requestPieces);
    const writable = this.place(responsePieces);
    this.memory.scatter(bytes, readable.ranges);
    for (const { address, length } of writable.ranges) this.memory.bytesAt(address, length).fill(untouched);
    this.makeRoom(needed);
    const head = this.ring.add(readable.ranges, writable.ranges, options.indirect);
    const submission = { done: false, result: noResult, head, writable: writable.ranges };
    this.pending.set(head, { submission, buffers: [readable.buffer, writable.buffer] });
    this.ring.offer(head);
    this.submitted++;
    if (options.hold !== true) this.commit();
    return submission;
  }

  /** Publishes what was held back, with one kick at most. */
  commit(): void {
    this.ring.commit();
  }

  /** Takes what the device has finished; returns how many commands that were. */
  collect(): number {
    let count = 0;
    for (let head = this.ring.pop(); head >= 0; head = this.ring.pop(), count++) {
      const held = this.pending.get(head);
      if (held === undefined) continue;
      this.pending.delete(head);
      const { submission, buffers } = held;
      submission.result = parseResult(this.ring.usedLength, this.memory.gather(submission.writable));
      submission.done = true;
      this.ring.release(head);
      this.giveBack(buffers);
    }
    return count;
  }

  /** Blocks until `submission` is answered. */
  wait(submission: Submission, what = "a command", timeoutMs?: number): CommandResult {
    this.waitUntil(() => submission.done, `the answer to ${what}`, timeoutMs);
    return submission.result;
  }

  /** Blocks until everything submitted is answered. */
  waitAll(timeoutMs?: number): void {
    this.waitUntil(() => this.pending.size === 0, "the answers to all commands", timeoutMs);
  }

  /** Submits and waits. */
  call(request: DataView | Uint8Array, options: SubmitOptions = {}): CommandResult {
    return this.wait(this.submit(request, options), `command 0x${commandOf(request).toString(16)}`);
  }

  /** Forgets what is pending, as a driver does when the device was reset. */
  reset(base = 0): void {
    for (const { buffers } of this.pending.values()) this.giveBack(buffers);
    this.pending.clear();
    this.ring.reset(base);
  }

  close(): void {
    this.pump.epoll.remove(this.ring.callFd);
    this.ring.close();
  }

  private giveBack(buffers: Held["buffers"]): void {
    for (const buffer of buffers) if (buffer !== null) this.buffers.give(buffer);
  }

  private waitUntil(happened: () => boolean, what: string, timeoutMs?: number): void {
    const looked = (): boolean => {
      this.collect();
      // An answer may come between the last look and the request for an interrupt, which is then one for the past.
      while (!happened() && this.ring.enableCall()) this.collect();
      return happened();
    };
    this.pump.until(looked, what, timeoutMs);
  }

  private makeRoom(descriptors: number): void {
    if (this.ring.free >= descriptors) return;
    this.commit();
    this.waitUntil(() => this.ring.free >= descriptors, "room in the ring");
  }

  /** Memory for pieces of these lengths, with gaps between them so that no two touch. */
  private place(pieces: readonly number[]): { ranges: GuestRange[]; buffer: GuestBuffer | null } {
    if (pieces.length === 0) return { ranges: [], buffer: null };
    const gap = pieces.length > 1 ? 3 : 0;
    const buffer = this.buffers.take(pieces.reduce((sum, length) => sum + length + gap, 0));
    let address = buffer.address;
    const ranges = pieces.map((length) => {
      const range = { address, length };
      address += length + gap;
      return range;
    });
    return { ranges, buffer };
  }
}

interface Held {
  submission: Submission;
  buffers: (GuestBuffer | null)[];
}

/** Buffers of powers of two, used again when a command is done. */
class BufferPool {
  private readonly free = new Map<number, GuestBuffer[]>();

  constructor(private readonly memory: GuestMemory) {}

  take(length: number): GuestBuffer {
    const size = 2 ** Math.ceil(Math.log2(Math.max(length, 64)));
    return this.free.get(size)?.pop() ?? this.memory.allocate(size, 64);
  }

  give(buffer: GuestBuffer): void {
    const list = this.free.get(buffer.length);
    if (list === undefined) this.free.set(buffer.length, [buffer]);
    else list.push(buffer);
  }
}

const noResult: CommandResult = {
  length: 0,
  type: 0,
  flags: 0,
  fenceId: 0n,
  contextId: 0,
  ringIndex: 0,
  bytes: new Uint8Array(0),
};

function parseResult(length: number, bytes: Uint8Array): CommandResult {
  if (length < Header.bytes || bytes.length < Header.bytes) return { ...noResult, length, bytes };
  const view = new DataView(bytes.buffer as ArrayBuffer, bytes.byteOffset, bytes.byteLength);
  return {
    length,
    type: view.getUint32(Header.type, true),
    flags: view.getUint32(Header.flags, true),
    fenceId: view.getBigUint64(Header.fenceId, true),
    contextId: view.getUint32(Header.contextId, true),
    ringIndex: view.getUint8(Header.ringIndex),
    bytes,
  };
}

/** Response sizes beyond the header. */
const responseBytes: Record<number, number> = {
  [Command.GET_DISPLAY_INFO]: DisplayInfo.bytes,
  [Command.GET_EDID]: Edid.bytes,
  [Command.GET_CAPSET_INFO]: CapsetInfo.bytes,
  [Command.RESOURCE_ASSIGN_UUID]: ResourceUuid.bytes,
  [Command.RESOURCE_MAP_BLOB]: MapInfo.bytes,
  [Command.GET_CAPSET]: Header.bytes + 1024,
};

function responseBytesOf(request: Uint8Array): number {
  return responseBytes[commandOf(request)] ?? Header.bytes;
}

function commandOf(request: DataView | Uint8Array): number {
  if (request.byteLength < 4) return 0;
  return new DataView(request.buffer as ArrayBuffer, request.byteOffset).getUint32(0, true);
}
