// An actor's mailbox: a line a peer, drained when the actor's doorbell has rung.

import type { Level } from "./log.ts";
import { signalEventfd } from "../../transport/os/fds.ts";
import type { ActorName, Inbox, WorkerName } from "../registry.ts";
import { type Line, type LineEnd, LineError } from "./lines/line.ts";
import { lostLine } from "./lines/lost-line.ts";
import { openLine } from "./lines/open.ts";
import { type SharedWords, slotOf } from "./shared-words.ts";
import type { Tap } from "./tap/tap.ts";

/** What the supervisor tells the runtime of a worker, on the same line as its messages to the actor. */
export type RuntimeMessage =
  | { runtime: "stop" }
  | { runtime: "crash" }
  | { runtime: "link"; peer: ActorName; line: LineEnd }
  | { runtime: "peer-lost"; peer: WorkerName; returns: boolean }
  | { runtime: "peer-back"; peer: WorkerName }
  | { runtime: "log-level"; level: Level };

interface Peer {
  name: ActorName;
  slot: number;
  line: Line;
  sent: number;
}

/** Is told of a peer whose line makes no sense; what it sends is not looked at any more. */
export type OnBroken = (peer: ActorName, reason: string) => void;

/** Of one peer, before the others and the rest of the actor's work get their turn. */
const messagesMax = 4096;

export class Mailbox {
  private readonly peers: Peer[] = [];
  private readonly slot: number;

  /** Without `onBroken` a line that makes no sense is a bug of ours. */
  constructor(
    readonly owner: ActorName,
    private readonly words: SharedWords,
    private readonly bellFds: Readonly<Record<string, number>>,
    private readonly tap: Tap | null = null,
    private readonly onBroken: OnBroken | null = null,
  ) {
    this.slot = slotOf(owner);
  }

  /** Connects to `name`, or connects anew after it was restarted; what was under way from or to the old one is lost. */
  link(name: ActorName, end: LineEnd): void {
    const slot = slotOf(name);
    const sent = this.words.receivedCount(this.slot, slot);
    const known = this.peers.findIndex((peer) => peer.name === name);
    if (known >= 0) this.peers[known]!.line.close(sent);
    const line = openLine(end, () => this.wake(name, slot));
    this.peers[known >= 0 ? known : this.peers.length] = { name, slot, line, sent };
  }

  /** `name` has crashed: what is under way from or to it is lost now, and what it is sent until it is back. */
  lose(name: ActorName): void {
    const peer = this.peer(name);
    peer.line.close(this.words.receivedCount(this.slot, peer.slot));
    peer.line = lostLine;
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

  /**
   * Hands waiting messages to `receive`, the supervisor's first. Whoever sends without an end does not keep the actor from all
   * else: the bell stays rung for what is more than {@link messagesMax}.
   */
  drain(receive: (message: unknown, from: ActorName) => void): void {
    this.words.silence(this.slot);
    for (let index = 0; index < this.peers.length; index++) {
      this.flush(this.peers[index]!);
      for (let count = 0; ; count++) {
        const peer = this.peers[index]!;
        if (count === messagesMax) {
          this.words.ring(this.slot);
          break;
        }
        const message = this.take(peer);
        if (message === undefined) break;
        this.took(peer.slot, message);
        receive(message, peer.name);
      }
    }
  }

  /** A message of the actor of `slot` was taken: here, or by the engine's event loop. */
  took(slot: number, message: object): void {
    this.words.countReceived(slot, this.slot);
    if (this.tap === null) return;
    this.tap.received(slot, this.words.receivedCount(slot, this.slot), nameOf(message));
  }

  /** The actor has ended, and has said so. */
  leave(): void {
    for (const peer of this.peers) {
      peer.line.leave();
      peer.line = lostLine;
    }
  }

  private post(to: ActorName, message: object, transfer: MessagePort[]): void {
    const peer = this.peer(to);
    peer.sent++;
    try {
      peer.line.send(message, transfer, peer.sent, this.words.receivedCount(this.slot, peer.slot));
    } catch (error) {
      if (!(error instanceof LineError)) throw error;
      this.broken(peer, error);
    }
    if (this.tap !== null) this.tap.sent(peer.slot, peer.sent, nameOf(message), message);
    // The supervisor runs an event loop, which hears of ports without a bell.
    if (peer.slot !== 0 || peer.line.wakesBell) this.wake(to, peer.slot);
  }

  /** Wakes `name` whatever its bell says: a process that is somebody else's by now may have written there. */
  startle(name: ActorName): void {
    this.words.ring(slotOf(name));
    signalEventfd(this.bellFds[name]!);
  }

  private wake(name: ActorName, slot: number): void {
    if (this.words.ring(slot)) signalEventfd(this.bellFds[name]!);
  }

  private take(peer: Peer): object | undefined {
    try {
      return peer.line.take();
    } catch (error) {
      if (!(error instanceof LineError)) throw error;
      this.broken(peer, error);
      return undefined;
    }
  }

  private flush(peer: Peer): void {
    try {
      peer.line.flush();
    } catch (error) {
      if (!(error instanceof LineError)) throw error;
      this.broken(peer, error);
    }
  }

  private broken(peer: Peer, error: LineError): void {
    if (this.onBroken === null) throw error;
    peer.line.close(this.words.receivedCount(this.slot, peer.slot));
    peer.line = lostLine;
    this.onBroken(peer.name, error.message);
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
