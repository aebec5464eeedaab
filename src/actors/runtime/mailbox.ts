// A worker's mailbox: a message port a peer, drained when the actor's doorbell has rung.

import type { Level } from "./log.ts";
import { receiveMessageOnPort } from "node:worker_threads";
import { closeFd, signalEventfd } from "../../transport/os/fds.ts";
import type { ActorName, Inbox, WorkerName } from "../registry.ts";
import { type SharedWords, slotOf } from "./shared-words.ts";
import type { Tap } from "./tap/tap.ts";
import { descriptorsIn, UnderWay } from "./under-way.ts";

/** What the supervisor tells the runtime of a worker, on the same port as its messages to the actor. */
export type RuntimeMessage =
  | { runtime: "stop" }
  | { runtime: "crash" }
  | { runtime: "link"; peer: ActorName; port: MessagePort }
  | { runtime: "peer-lost"; peer: WorkerName; returns: boolean }
  | { runtime: "peer-back"; peer: WorkerName }
  | { runtime: "log-level"; level: Level };

interface Peer {
  name: ActorName;
  slot: number;
  port: MessagePort;
  sent: number;
  /** What {@link sent} messages gave away. */
  underWay: UnderWay;
}

export class Mailbox {
  private readonly peers: Peer[] = [];
  private readonly slot: number;

  constructor(
    readonly owner: ActorName,
    private readonly words: SharedWords,
    private readonly bellFds: Readonly<Record<string, number>>,
    private readonly tap: Tap | null = null,
  ) {
    this.slot = slotOf(owner);
  }

  /** Connects to `name`, or connects anew after it was restarted; what was under way from or to the old one is lost. */
  link(name: ActorName, port: MessagePort): void {
    const slot = slotOf(name);
    const sent = this.words.receivedCount(this.slot, slot);
    const known = this.peers.findIndex((peer) => peer.name === name);
    if (known >= 0) this.leave(this.peers[known]!, sent);
    const underWay = new UnderWay();
    this.peers[known >= 0 ? known : this.peers.length] = { name, slot, port, sent, underWay };
  }

  /** `name` has crashed: what is under way from or to it is lost now, and what it is sent until it is back. */
  lose(name: ActorName): void {
    const peer = this.peer(name);
    this.leave(peer, this.words.receivedCount(this.slot, peer.slot));
  }

  send<To extends ActorName>(to: To, message: Inbox[To]): void {
    this.post(to, message as object, []);
  }

  sendRuntime(to: ActorName, message: RuntimeMessage, transfer: MessagePort[]): void {
    this.post(to, message, transfer);
  }

  /** How many of our messages `to` has not taken yet. */
  backlog(to: ActorName): number {
    const peer = this.peer(to);
    return (peer.sent - this.words.receivedCount(this.slot, peer.slot)) | 0;
  }

  isRung(): boolean {
    return this.words.isRung(this.slot);
  }

  /** Hands every waiting message to `receive`, the supervisor's first. */
  drain(receive: (message: unknown, from: ActorName) => void): void {
    this.words.silence(this.slot);
    for (let index = 0; index < this.peers.length; index++) {
      for (;;) {
        const peer = this.peers[index]!;
        const received = receiveMessageOnPort(peer.port);
        if (received === undefined) break;
        this.words.countReceived(peer.slot, this.slot);
        if (this.tap !== null) this.note(peer, received.message);
        receive(received.message, peer.name);
      }
    }
  }

  /** Closes the port to a peer that is gone, and the descriptors in it, which nobody will take. */
  private leave({ port, underWay }: Peer, taken: number): void {
    underWay.close(taken);
    for (;;) {
      const received = receiveMessageOnPort(port);
      if (received === undefined) break;
      for (const fd of descriptorsIn(received.message as object)) closeFd(fd);
    }
    port.close();
  }

  private post(to: ActorName, message: object, transfer: MessagePort[]): void {
    const peer = this.peer(to);
    peer.port.postMessage(message, transfer);
    peer.sent++;
    if (this.tap !== null) this.tap.sent(peer.slot, peer.sent, nameOf(message), message);
    const fds = descriptorsIn(message);
    if (fds.length > 0) peer.underWay.add(peer.sent, fds, this.words.receivedCount(this.slot, peer.slot));
    // The supervisor runs an event loop, which needs no bell.
    if (peer.slot !== 0 && this.words.ring(peer.slot)) {
      signalEventfd(this.bellFds[to]!);
    }
  }

  /** Lets the tap see a message of `peer`'s that was taken. */
  private note({ slot }: Peer, message: object): void {
    this.tap!.received(slot, this.words.receivedCount(slot, this.slot), nameOf(message));
  }

  private peer(name: ActorName): Peer {
    for (const peer of this.peers) if (peer.name === name) return peer;
    throw new Error(`${this.owner} has no link to ${name}`);
  }
}

/** What a message is called, be it the runtime's. */
function nameOf(message: object): string {
  const { type, runtime } = message as { type?: string; runtime?: string };
  return type ?? runtime!;
}
