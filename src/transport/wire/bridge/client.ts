// A peer of the resource bridge: asks, and waits for the answer. It blocks its thread.

import { ECONNRESET, EPIPE } from "../../../ffi/libc.ts";
import { SystemError } from "../../os/errors.ts";
import { Epoll, EPOLLIN } from "../../os/epoll.ts";
import { closeFd } from "../../os/fds.ts";
import { NativeMemory } from "../../os/native-memory.ts";
import { connectUnix } from "../../os/unix-path.ts";
import { CLOSED, SocketIo } from "../../os/unix-socket.ts";
import { form2019 } from "./form-2019.ts";
import { jsonForm } from "./json-form.ts";
import { type BridgeAnswer, type BridgeRequest, packetBytesMax, type WireForm } from "./protocol.ts";
import { milliseconds } from "../../os/clock.ts";

/** The bridge hung up, was silent for too long, or answered what is no answer. */
export class BridgeFailure extends Error {}

/** An answer and its descriptor, the caller's to close; -1 where it has none. */
export type Lent = BridgeAnswer & { fd: number };

export interface BridgeClientOptions {
  form?: WireForm["name"];
  /** How long to wait for an answer, in milliseconds. */
  patienceMs?: number;
}

export class BridgeClient {
  readonly fd: number;
  private readonly form: WireForm;
  private readonly patienceMs: number;
  private readonly io = new SocketIo();
  private readonly epoll = new Epoll();
  private readonly buffer = NativeMemory.allocate(packetBytesMax);

  /** Connects to the bridge at `path`. Throws SystemError when nobody listens there. */
  constructor(path: string, { form = "json", patienceMs = 5_000 }: BridgeClientOptions = {}) {
    this.fd = connectUnix(path, "seqpacket");
    this.form = form === "json" ? jsonForm : form2019;
    this.patienceMs = patienceMs;
    this.epoll.add(this.fd, EPOLLIN, () => {});
  }

  /** Asks, and waits for the answer. Throws {@link BridgeFailure}. */
  ask(request: BridgeRequest): Lent {
    this.send(this.form.encodeRequest(request));
    return this.receive();
  }

  /** Sends a packet of any bytes, with descriptors, which stay the caller's. Throws {@link BridgeFailure}. */
  send(packet: Uint8Array, fds: readonly number[] = []): void {
    const memory = NativeMemory.allocate(packet.length);
    try {
      new Uint8Array(memory.view()).set(packet);
      this.io.clear();
      this.io.gather(memory.address, packet.length);
      orFailure(() => this.io.send(this.fd, fds, 0));
    } finally {
      memory.unmap();
    }
  }

  /** Waits for the next answer. Throws {@link BridgeFailure}. */
  receive(): Lent {
    const { packet, fds } = this.receivePacket();
    const answer = this.form.decodeAnswer(packet, fds.length);
    const [fd = -1, ...rest] = fds;
    for (const each of rest) closeFd(each);
    if (answer === null) {
      closeFd(fd);
      throw new BridgeFailure(`the bridge answered ${packet.length} bytes that are no answer`);
    }
    return { ...answer, fd };
  }

  /** Waits for the next packet; its descriptors are the caller's to close. */
  receivePacket(): { packet: Uint8Array; fds: number[] } {
    const deadline = milliseconds() + this.patienceMs;
    // A signal ends a wait early.
    while (this.epoll.wait(Math.max(0, Math.ceil(deadline - milliseconds()))) === 0) {
      if (milliseconds() >= deadline) throw new BridgeFailure("the bridge does not answer");
    }
    const length = orFailure(() => this.io.receive(this.fd, this.buffer.address, packetBytesMax));
    if (length === CLOSED) throw new BridgeFailure("the bridge has closed the connection");
    return {
      packet: new Uint8Array(this.buffer.view(0, length)).slice(),
      fds: this.io.receivedFds.slice(),
    };
  }

  close(): void {
    this.epoll.close();
    closeFd(this.fd);
    this.io.close();
    this.buffer.unmap();
  }
}

function orFailure(call: () => number): number {
  try {
    return call();
  } catch (error) {
    const isGone = error instanceof SystemError && (error.errno === EPIPE || error.errno === ECONNRESET);
    throw isGone ? new BridgeFailure("the bridge has closed the connection") : error;
  }
}
