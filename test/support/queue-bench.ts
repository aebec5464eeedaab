// A queue actor without its worker: a guest with one ring, a vhost session's messages, and the loop that serves both.

import type { WorkerName } from "../../src/actors/registry.ts";
import type { CtrlQueueMessage } from "../../src/actors/gpu/messages.ts";
import type { CursorQueueMessage } from "../../src/actors/cursor/messages.ts";
import type { QueueMessage, RingStart } from "../../src/actors/queue/messages.ts";
import { DriverRing } from "../../lab/driver/driver-ring.ts";
import {
  GuestMemory,
  type GuestRange,
  type GuestRegion,
  type RegionLayout,
} from "../../lab/driver/guest-memory.ts";
import { closeFd, duplicateFd } from "../../src/transport/os/fds.ts";
import type { FakeContext } from "./fake-context.ts";
import { tableOf } from "./guest-map.ts";

/** What a queue actor and a bare runner have in common. */
export interface Served {
  receive(message: never): unknown;
  peerLost?(peer: WorkerName): void;
  peerBack?(peer: WorkerName): void;
  turn(): boolean;
  stop(): void;
}

export interface BenchOptions {
  size?: number;
  eventIdx?: boolean;
  layout?: readonly RegionLayout[];
}

/** What every byte of a response is before the device writes it. */
export const untouched = 0xa5;

export interface Answer {
  /** Bytes written, as the used ring says. */
  length: number;
  type: number;
  flags: number;
  fenceId: bigint;
  contextId: number;
  /** All of the room. */
  bytes: Uint8Array;
}

interface Pending {
  readable: GuestRange[];
  writable: GuestRange[];
}

export class QueueBench {
  readonly guest: GuestMemory;
  readonly driver: DriverRing;
  private readonly pending = new Map<number, Pending>();
  /** Answers in the order in which the device gave them. */
  readonly answers: { head: number; answer: Answer }[] = [];
  private readonly eventIdx: boolean;
  private token = 1000;
  private nextRegionId = 1;

  constructor(
    readonly context: FakeContext,
    readonly served: Served,
    { size = 64, eventIdx = false, layout = [{ guestAddress: 0, size: 16 * 2 ** 20 }] }: BenchOptions = {},
  ) {
    this.guest = new GuestMemory(layout);
    this.eventIdx = eventIdx;
    this.driver = new DriverRing(this.guest, { size, eventIdx });
    this.tell(this.memoryMessage());
    this.tell(this.ringStart());
  }

  /** Delivers a message of any sender, and lets the actor answer. */
  tell(message: QueueMessage | CtrlQueueMessage | CursorQueueMessage): void {
    this.context.deliver(this.served as { receive(message: unknown): unknown }, message);
  }

  /** Asks as the session does; answers the actor's error text, or the base of a stopped ring. */
  ask(message: QueueMessage & { token: number }): string | number {
    this.context.take("vhost-session");
    this.tell(message);
    const [answer] = this.context.take("vhost-session");
    if (answer?.type === "done") return answer.error;
    if (answer?.type === "ring-stopped") return answer.base;
    throw new Error(`the actor answered ${JSON.stringify(answer)}`);
  }

  losePeer(peer: WorkerName): void {
    this.context.losePeer(this.served, peer);
  }

  returnPeer(peer: WorkerName): void {
    this.context.returnPeer(this.served, peer);
  }

  /** All scanouts are there, as for a VMM that shows the picture itself. */
  plugAll(): void {
    this.tell({ type: "vmm-display-changed", isConnected: true, token: this.nextToken() });
  }

  nextToken(): number {
    return this.token++;
  }

  memoryMessage(regions: readonly GuestRegion[] = this.guest.regions): QueueMessage & { token: number } {
    const table = tableOf(regions, this.nextRegionId).map((region) => ({
      ...region,
      fd: duplicateFd(region.fd),
    }));
    this.nextRegionId += table.length;
    return { type: "map-memory", regions: table, token: this.nextToken() };
  }

  ringStart(change: Partial<RingStart> = {}): RingStart {
    const { driver } = this;
    return {
      type: "start-ring",
      num: driver.size,
      desc: driver.descriptors.address,
      avail: driver.avail.address,
      used: driver.used.address,
      usedLog: -1,
      base: 0,
      enabled: true,
      sharedMemoryBytes: 0,
      eventIdx: this.eventIdx,
      features: 0,
      kickFd: change.kickFd ?? duplicateFd(driver.kickFd),
      callFd: change.callFd ?? duplicateFd(driver.callFd),
      errFd: change.errFd ?? duplicateFd(driver.errFd),
      inflightFd: -1,
      inflightOffset: 0,
      inflightNum: 0,
      token: this.nextToken(),
      ...change,
    };
  }

  stopRing(): number {
    return this.ask({ type: "stop-ring", token: this.nextToken() }) as number;
  }

  /** Offers a request with room for a response; nobody serves it yet. Answers its head. */
  offer(request: DataView | Uint8Array, room = 2048, pieces: readonly number[] = []): number {
    const bytes = new Uint8Array(request.buffer as ArrayBuffer, request.byteOffset, request.byteLength);
    const buffer = this.guest.allocate(Math.max(bytes.length + room, 1), 16);
    const readable: GuestRange[] = [];
    let at = 0;
    for (const length of [...pieces, bytes.length - pieces.reduce((sum, one) => sum + one, 0)]) {
      if (length > 0) readable.push({ address: buffer.address + at, length });
      at += length;
    }
    const writable = room > 0 ? [{ address: buffer.address + bytes.length, length: room }] : [];
    this.guest.scatter(bytes, readable);
    this.guest.bytesAt(buffer.address + bytes.length, room).fill(untouched);
    const head = this.driver.add(readable, writable);
    if (head < 0) throw new Error("the ring is full");
    this.pending.set(head, { readable, writable });
    this.driver.offer(head);
    this.driver.commit();
    return head;
  }

  /** Runs turns while there is work, serves what is ready, and collects the answers; never waits. */
  run(): void {
    const { context, served } = this;
    do {
      if (context.isRung()) context.drain();
      context.timers.runDue();
      while (served.turn());
    } while (context.epoll.wait(0) > 0);
    this.collect();
  }

  collect(): void {
    for (let head = this.driver.pop(); head >= 0; head = this.driver.pop()) {
      // Chains that a test wrote by hand are not the driver's to give back.
      const { writable } = this.pending.get(head) ?? { writable: [] };
      if (this.pending.delete(head)) this.driver.release(head);
      const bytes = this.guest.gather(writable).slice();
      const view = new DataView(new ArrayBuffer(24));
      new Uint8Array(view.buffer).set(bytes.subarray(0, 24));
      this.answers.push({
        head,
        answer: {
          length: this.driver.usedLength,
          type: view.getUint32(0, true),
          flags: view.getUint32(4, true),
          fenceId: view.getBigUint64(8, true),
          contextId: view.getUint32(16, true),
          bytes,
        },
      });
    }
  }

  /** Offers a request, serves it, and answers its answer; throws when there is none yet. */
  command(request: DataView | Uint8Array, room = 2048, pieces: readonly number[] = []): Answer {
    const head = this.offer(request, room, pieces);
    this.run();
    const answer = this.takeAnswer(head);
    if (answer === null) throw new Error("the device has not answered");
    return answer;
  }

  /** The answer to the chain at `head`, once. */
  takeAnswer(head: number): Answer | null {
    const index = this.answers.findIndex((one) => one.head === head);
    return index < 0 ? null : this.answers.splice(index, 1)[0]!.answer;
  }

  /** Ends the session as a front-end that hangs up does, with whatever was still made or lent. */
  close(): void {
    this.tell({ type: "reset", token: this.nextToken() });
    if (this.context.name === "ctrl-queue") this.returnPeer("display");
    this.served.stop();
    this.driver.close();
    this.guest.free();
    for (const { message } of this.context.sent) if ("fd" in message) closeFd(message.fd);
    this.context.close();
  }
}
