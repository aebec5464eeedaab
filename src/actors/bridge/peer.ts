// One peer of the resource bridge: a request, its answer, the next request. What it sends meanwhile waits in the kernel, so
// that a peer costs the same whether it reads or not.

import { EPOLLERR, EPOLLHUP, EPOLLIN, EPOLLOUT } from "../../transport/os/epoll.ts";
import { asRefusal } from "../../transport/os/errors.ts";
import { closeFd } from "../../transport/os/fds.ts";
import type { NativeMemory } from "../../transport/os/native-memory.ts";
import { CLOSED, type SocketIo, WOULD_BLOCK } from "../../transport/os/unix-socket.ts";
import { wireFormOf } from "../../transport/wire/bridge/forms.ts";
import {
  type BridgeAnswer,
  type BridgeRequest,
  packetBytesMax,
  type WireForm,
} from "../../transport/wire/bridge/protocol.ts";
import type { ActorContext } from "../runtime/actor.ts";
import { BridgeCounter } from "./counters.ts";

/** How long a peer may leave its answers in the socket before it is dropped, once they fill it, in milliseconds. */
export const takeTimeoutMs = 5_000;

/** What all peers share: structures for one call at a time. */
export interface PeerTools {
  io: SocketIo;
  /** One byte more than the longest packet, to know a longer one by. */
  buffer: NativeMemory;
}

export interface PeerOwner {
  /** The request is answered by {@link Peer.answer}, now or later. */
  ask(peer: Peer, request: BridgeRequest): void;
  /** The peer is gone, and closed. */
  gone(peer: Peer): void;
}

export class Peer {
  /** Reading: waits for a request. Asking: for what to answer. Answering: for the peer to take the answer. */
  private state: "reading" | "asking" | "answering" | "closed" = "reading";
  private form: WireForm | null = null;
  private packet: Uint8Array = new Uint8Array();
  private lent = -1;
  private cancelTimeout = (): void => {};

  constructor(
    private readonly context: ActorContext,
    private readonly tools: PeerTools,
    private readonly fd: number,
    private readonly owner: PeerOwner,
  ) {
    context.epoll.add(fd, EPOLLIN, (events) => this.ready(events));
  }

  /** Answers the request that was asked last. `fd` is the peer's to close; -1 for none. */
  answer(answer: BridgeAnswer, fd: number): void {
    if (answer.kind === "invalid") this.context.counters[BridgeCounter.invalid]!++;
    this.packet = this.form!.encodeAnswer(answer);
    this.lent = fd;
    if (this.send()) return;
    this.become("answering", EPOLLOUT);
    this.cancelTimeout = this.context.timers.after(takeTimeoutMs, () => {
      this.context.counters[BridgeCounter.peersDropped]!++;
      this.drop("does not take its answers");
    });
  }

  close(): void {
    if (this.state === "closed") return;
    this.state = "closed";
    this.cancelTimeout();
    this.context.epoll.remove(this.fd);
    closeFd(this.fd);
    closeFd(this.lent);
    this.lent = -1;
  }

  private ready(events: number): void {
    if (this.state === "reading") this.read();
    // It will not take the answer.
    else if ((events & (EPOLLHUP | EPOLLERR)) !== 0) this.drop("has hung up before its answer");
    else if (this.send()) this.cancelTimeout();
  }

  private read(): void {
    const { io, buffer } = this.tools;
    const length = this.attempt(() => io.receive(this.fd, buffer.address, packetBytesMax + 1));
    if (length === null || length === WOULD_BLOCK) return;
    for (const fd of io.receivedFds) closeFd(fd);
    if (length === CLOSED) {
      this.end();
      return;
    }
    this.context.counters[BridgeCounter.requests]!++;
    const packet = new Uint8Array(buffer.view(0, length)).slice();
    this.form = wireFormOf(packet);
    this.become("asking", 0);
    const request = length > packetBytesMax ? null : this.form.decodeRequest(packet);
    if (request !== null) {
      this.owner.ask(this, request);
      return;
    }
    this.context.log.guest(() => `a resource bridge's peer sent ${length} bytes that are no request`);
    this.answer({ kind: "invalid" }, -1);
  }

  /** Sends the answer, and goes on to the next request. Returns false when the socket is full. */
  private send(): boolean {
    const { io, buffer } = this.tools;
    new Uint8Array(buffer.view(0, this.packet.length)).set(this.packet);
    io.clear();
    io.gather(buffer.address, this.packet.length);
    const sent = this.attempt(() => io.send(this.fd, this.lent < 0 ? [] : [this.lent]));
    if (sent === WOULD_BLOCK) return false;
    if (sent === null) return true;
    closeFd(this.lent);
    this.lent = -1;
    this.become("reading", EPOLLIN);
    return true;
  }

  private become(state: "reading" | "asking" | "answering", events: number): void {
    if (this.state === state) return;
    this.state = state;
    this.context.epoll.modify(this.fd, events);
  }

  /** Makes a call on the socket; null when it failed, and the peer is gone. */
  private attempt(call: () => number): number | null {
    try {
      return call();
    } catch (error) {
      this.drop(asRefusal(error).message);
      return null;
    }
  }

  private drop(why: string): void {
    this.context.log.debug(`a resource bridge's peer is dropped: ${why}`);
    this.end();
  }

  private end(): void {
    this.close();
    this.owner.gone(this);
  }
}
