// The VMM's end of host-visible memory: maps what the back-end asks for into a window, as QEMU 11.1 does, or misbehaves.

import {
  asPointer,
  libc,
  MAP_ANONYMOUS,
  MAP_FIXED,
  MAP_NORESERVE,
  MAP_PRIVATE,
  MAP_SHARED,
  PROT_READ,
  PROT_WRITE,
} from "../../src/ffi/libc.ts";
import { closeFd } from "../../src/transport/os/fds.ts";
import { NativeMemory } from "../../src/transport/os/native-memory.ts";
import { BackendRequest, Flags, ShmemRange } from "../../src/transport/wire/vhost-user/protocol.ts";
import type { Message } from "./message-channel.ts";
import { u64 } from "./vhost-user-payloads.ts";

/** An answer as it goes out. */
export interface WindowAnswer {
  request: number;
  flags: number;
  payload: Uint8Array;
  fds: readonly number[];
}

/**
 * `serve`: as a good VMM. `refuse`: says no, and closes the channel, as QEMU does. `stall`: does nothing until
 * {@link HostWindow.catchUp}. `hang-up`: closes the channel. A function: does what is asked, and says that it returns.
 */
export type Manner =
  "serve" | "refuse" | "stall" | "hang-up" | ((good: WindowAnswer) => Partial<WindowAnswer>);

/** How a window answers on its channel. */
export interface WindowChannel {
  send(answer: WindowAnswer): void;
  hangUp(): void;
}

const protection = PROT_READ | PROT_WRITE;
const reply = Flags.version | Flags.reply;

export class HostWindow {
  manner: Manner = "serve";
  /** Lengths by offset. */
  readonly mapped = new Map<number, number>();
  /** Requests so far. */
  asked = 0;
  /** What a back-end must not ask, or not so. */
  readonly violations: string[] = [];
  private readonly held: [Message, WindowChannel][] = [];
  private readonly memory: NativeMemory;

  constructor(
    readonly bytes: number,
    private readonly id = 1,
  ) {
    this.memory = NativeMemory.allocate(bytes);
  }

  /** What the guest sees there. Not to be used once it is unmapped. */
  view(offset: number, length: number): Uint8Array {
    return new Uint8Array(this.memory.view(offset, length));
  }

  /** Whether nothing is left of what was asked. */
  get isIdle(): boolean {
    return this.held.length === 0;
  }

  handle(message: Message, channel: WindowChannel): void {
    const { manner } = this;
    if (manner === "stall") {
      this.asked++;
      this.held.push([message, channel]);
      return;
    }
    this.asked++;
    const { request } = message;
    const good = manner !== "refuse" && manner !== "hang-up" && this.run(message);
    message.fds.forEach(closeFd);
    if (manner === "hang-up") return channel.hangUp();
    const answer = { request, flags: reply, payload: u64(good ? 0n : 1n), fds: [] };
    channel.send(typeof manner === "function" ? { ...answer, ...manner(answer) } : answer);
    if (!good) channel.hangUp();
  }

  /** Does the first thing that was stalled, and goes on stalling. */
  doOne(): void {
    const [message, channel] = this.held.shift()!;
    this.manner = "serve";
    this.asked--;
    this.handle(message, channel);
    this.manner = "stall";
  }

  /** Does what was stalled, in order, and serves from then on. */
  catchUp(): void {
    this.manner = "serve";
    for (const [message, channel] of this.held.splice(0)) {
      this.asked--;
      this.handle(message, channel);
    }
  }

  /** What a VMM does when it resets the device. */
  reset(): void {
    for (const [offset, length] of this.mapped) this.clear(offset, length);
    this.mapped.clear();
  }

  free(): void {
    for (const [message] of this.held.splice(0)) message.fds.forEach(closeFd);
    this.memory.unmap();
  }

  /** Returns whether it was right to ask. */
  private run({ request, flags, payload, fds }: Message): boolean {
    const number = (at: number): number => Number(payload.getBigUint64(at, true));
    if (payload.byteLength !== ShmemRange.bytes) return this.blame(`${payload.byteLength} bytes`);
    const [offset, length] = [number(ShmemRange.offset), number(ShmemRange.length)];
    const isMap = request === BackendRequest.SHMEM_MAP;
    const what = `${isMap ? "map" : "unmap"} of ${length} bytes at ${offset}`;
    if (flags !== (Flags.version | Flags.needReply)) return this.blame(`${what}: flags ${flags}`);
    if (number(ShmemRange.id) !== this.id) return this.blame(`${what}: region ${number(ShmemRange.id)}`);
    if (fds.length !== (isMap ? 1 : 0)) return this.blame(`${what}: ${fds.length} descriptors`);
    if (length === 0 || offset + length > this.bytes) return this.blame(`${what}: outside of the window`);
    if (isMap) return this.map(what, offset, length, fds[0]!, number(ShmemRange.fdOffset));
    if (this.mapped.get(offset) !== length) return this.blame(`${what}: not mapped`);
    this.mapped.delete(offset);
    this.clear(offset, length);
    return true;
  }

  private map(what: string, offset: number, length: number, fd: number, fdOffset: number): boolean {
    for (const [at, bytes] of this.mapped) {
      if (offset < at + bytes && at < offset + length) return this.blame(`${what}: over another`);
    }
    const address = asPointer(this.memory.address + offset);
    const result = libc.mmap(address, length, protection, MAP_SHARED | MAP_FIXED, fd, fdOffset);
    if (Number(result) !== this.memory.address + offset) return this.blame(`${what}: cannot be mapped`);
    this.mapped.set(offset, length);
    return true;
  }

  private clear(offset: number, length: number): void {
    const flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED;
    libc.mmap(asPointer(this.memory.address + offset), length, protection, flags, -1, 0);
  }

  private blame(text: string): false {
    this.violations.push(text);
    return false;
  }
}
