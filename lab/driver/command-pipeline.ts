// Keeps a fixed number of commands in flight, for benchmarks: chains are made once and offered again and again.
// The loop allocates nothing and touches only the rings, so what is measured is the device.

import { EPOLLET, EPOLLIN } from "../../src/transport/os/epoll.ts";
import type { DriverRing } from "./driver-ring.ts";
import type { GuestBuffer, GuestMemory } from "./guest-memory.ts";
import type { Pump } from "./pump.ts";

export interface PipelineOptions {
  /** Commands in flight; two descriptors each. */
  depth: number;
  /** Bytes of one request, and of the room for its response (0: none). */
  requestBytes: number;
  responseBytes: number;
  /** How often to look at the used ring before sleeping until an interrupt. */
  spins?: number;
  /** How many commands must be done before the device interrupts. */
  commandsPerCall?: number;
}

/** Not to be used on a ring that a CommandQueue waits on at the same time. */
export class CommandPipeline {
  readonly depth: number;
  /** Requests and responses by slot; fill the requests before the first run. */
  readonly requests: readonly GuestBuffer[];
  readonly responses: readonly GuestBuffer[];
  /** Sleeps in the last run. */
  sleeps = 0;

  private readonly heads: Uint32Array;
  private readonly slotOf: Uint32Array;
  private readonly startedNs: Float64Array;
  private readonly spins: number;
  private readonly commandsPerCall: number;

  constructor(
    private readonly ring: DriverRing,
    memory: GuestMemory,
    private readonly pump: Pump,
    { depth, requestBytes, responseBytes, spins = 0, commandsPerCall = 1 }: PipelineOptions,
  ) {
    this.depth = depth;
    this.spins = spins;
    this.commandsPerCall = Math.min(commandsPerCall, depth);
    this.heads = new Uint32Array(depth);
    this.slotOf = new Uint32Array(ring.size);
    this.startedNs = new Float64Array(depth);
    const requests: GuestBuffer[] = [];
    const responses: GuestBuffer[] = [];
    for (let slot = 0; slot < depth; slot++) {
      const request = memory.allocate(requestBytes, 64);
      const response = memory.allocate(responseBytes, 64);
      const head = ring.add([request], responseBytes > 0 ? [response] : []);
      if (head < 0) throw new RangeError(`a ring of ${ring.size} is too short for ${depth} commands`);
      this.heads[slot] = head;
      this.slotOf[head] = slot;
      requests.push(request);
      responses.push(response);
    }
    this.requests = requests;
    this.responses = responses;
  }

  /** Copies one request into every slot. */
  fill(request: DataView): void {
    const bytes = new Uint8Array(request.buffer as ArrayBuffer, request.byteOffset, request.byteLength);
    for (const buffer of this.requests) buffer.bytes.set(bytes);
  }

  /**
   * Sends `count` commands and waits for all answers. `prepare` may change a slot's request before each sending;
   * `samplesNs` takes the time of each command from its offer to the sight of its answer.
   */
  run(
    count: number,
    prepare: ((slot: number) => void) | null = null,
    samplesNs: Float64Array | null = null,
  ): void {
    const { ring, heads, slotOf, startedNs } = this;
    this.sleeps = 0;
    ring.disableCall();
    let offered = 0;
    let done = 0;
    for (; offered < this.depth && offered < count; offered++) {
      if (prepare !== null) prepare(offered);
      if (samplesNs !== null) startedNs[offered] = Bun.nanoseconds();
      ring.offer(heads[offered]!);
    }
    ring.commit();
    while (done < count) {
      let head = ring.pop();
      if (head < 0) {
        this.sleep(count - done);
        continue;
      }
      do {
        const slot = slotOf[head]!;
        if (samplesNs !== null) samplesNs[done] = Bun.nanoseconds() - startedNs[slot]!;
        done++;
        if (offered < count) {
          if (prepare !== null) prepare(slot);
          if (samplesNs !== null) startedNs[slot] = Bun.nanoseconds();
          ring.offer(head);
          offered++;
        }
        head = ring.pop();
      } while (head >= 0);
      ring.commit();
    }
  }

  /** Gives the ring its descriptors back. */
  release(): void {
    for (const head of this.heads) this.ring.release(head);
  }

  /** Watches the ring's interrupts where no CommandQueue does. */
  watch(): void {
    this.pump.epoll.add(this.ring.callFd, EPOLLIN | EPOLLET, () => undefined);
  }

  private sleep(remaining: number): void {
    const { ring, pump } = this;
    for (let spin = 0; spin < this.spins; spin++) if (ring.hasUsed()) return;
    const deadline = performance.now() + pump.patienceMs;
    while (!ring.enableCall(Math.min(this.commandsPerCall, remaining))) {
      this.sleeps++;
      if (pump.epoll.wait(pump.patienceMs) === 0 && performance.now() > deadline) {
        throw new Error(`no command was answered for ${pump.patienceMs} ms`);
      }
      if (ring.hasUsed()) break;
    }
    ring.disableCall();
  }
}
