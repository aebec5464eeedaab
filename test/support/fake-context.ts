// An actor context without a worker: messages are kept and checked, descriptors and timers are real.

import { compileAll, type LifecycleTables } from "../../src/actors/machines/index.ts";
import {
  type ActorName,
  type AreaName,
  areas,
  type Inbox,
  mayReturn,
  type WorkerName,
} from "../../src/actors/registry.ts";
import type { ActorContext } from "../../src/actors/runtime/actor.ts";
import { Asks } from "../../src/actors/runtime/asks.ts";
import { Log } from "../../src/actors/runtime/log.ts";
import type { Tap } from "../../src/actors/runtime/tap/tap.ts";
import { keepWords, Own, ownWords } from "../../src/actors/runtime/shared-words.ts";
import { Timers } from "../../src/actors/runtime/timers.ts";
import { parseCommandLine, type ServerConfig } from "../../src/config.ts";
import { Epoll } from "../../src/transport/os/epoll.ts";
import { createMemfd } from "../../src/transport/os/fds.ts";
import { NativeMemory } from "../../src/transport/os/native-memory.ts";
import { schemas } from "./schemas.ts";

const tables: LifecycleTables = compileAll();

/** Areas that all actors of a test file share, as if one host had made them. */
const areaFds = new Map<AreaName, number>(
  Object.entries(areas).map(([name, bytes]) => [name as AreaName, createMemfd(name, bytes)]),
);

export type Sent = { [To in keyof Inbox]: { to: To; message: Inbox[To] } }[keyof Inbox];

/** Settings as the server has them; without a pace where `flags` name none, so that no test waits for a slot. */
export function serverConfig(...flags: string[]): ServerConfig {
  const { FENCEPOST_RENDERER, FENCEPOST_STORAGE, FENCEPOST_RENDER_NODE, FENCEPOST_ISOLATION } = process.env;
  const env = {
    FENCEPOST_FRAME_RATE: "unlimited",
    FENCEPOST_RENDERER,
    FENCEPOST_STORAGE,
    FENCEPOST_RENDER_NODE,
    FENCEPOST_ISOLATION,
  };
  const request = parseCommandLine(flags, env);
  if (request.kind !== "serve") throw new Error("no settings");
  return request.config;
}

export class FakeContext implements ActorContext {
  readonly machines = tables;
  readonly epoll = new Epoll();
  readonly timers = new Timers();
  readonly counters = new Float64Array(64);
  /** A test that looks into an actor gives it one. */
  tap: Tap | null = null;
  readonly sent: Sent[] = [];
  readonly life: number;
  readonly mayReturn: boolean;
  readonly asks: Asks;
  readonly logged: { level: string; text: string }[] = [];
  readonly log = new Log("debug", (level, text) => this.logged.push({ level, text }), 10);
  /** What {@link drain} delivers. */
  readonly arriving: (() => void)[] = [];
  /** How far each actor is behind. */
  readonly behind = new Map<ActorName, number>();
  /** Sees every message as it is sent. */
  onSend: (sent: Sent) => void = () => undefined;
  /** Runs at the deadline of a {@link waitUntil}. */
  onLate: () => void = () => {
    throw new Error("nobody will ever say what is waited for");
  };
  stopping = false;

  constructor(
    readonly name: WorkerName,
    readonly config: ServerConfig = serverConfig(),
    /** The words of an actor that crashed, for two contexts to be one actor before and after. */
    readonly keep = new Int32Array(keepWords),
  ) {
    const own = keep.subarray(keepWords - ownWords);
    this.life = ++own[Own.lives]!;
    this.mayReturn = mayReturn(name, config);
    this.asks = new Asks({
      send: (to, message) => this.send(to, message),
      after: (ms, run) => this.timers.after(ms, run),
      lastToken: own.subarray(Own.lastToken),
    });
  }

  send<To extends ActorName>(to: To, message: Inbox[To]): void {
    const sent = { to, message: schemas[to].parse(structuredClone(message)) } as Sent;
    this.sent.push(sent);
    this.onSend(sent);
  }

  area(name: AreaName, access: "read" | "write"): NativeMemory {
    return NativeMemory.mapShared(areaFds.get(name)!, 0, areas[name], access);
  }

  backlog(to: ActorName): number {
    return this.behind.get(to) ?? 0;
  }

  isRung(): boolean {
    return this.arriving.length > 0;
  }

  drain(): void {
    for (const deliver of this.arriving.splice(0)) deliver();
  }

  tidy(): void {}

  /** Nothing arrives later, unless {@link onLate} sees to it. */
  waitUntil(done: () => boolean): boolean {
    while (this.isRung()) this.drain();
    if (done()) return true;
    this.onLate();
    return false;
  }

  isStopping(): boolean {
    return this.stopping;
  }

  /** Hands `actor` a message as the runtime does: answers go to whoever asked. */
  deliver<Message>(actor: { receive(message: Message): unknown }, message: Message): void {
    if (!this.asks.takes(message as { type: string })) actor.receive(message);
  }

  /** Tells `actor` that a peer has crashed. */
  losePeer(actor: { peerLost?(peer: WorkerName): void }, peer: WorkerName, returns = true): void {
    this.asks.lose(peer, returns);
    actor.peerLost?.(peer);
  }

  /** Tells `actor` that another one has taken over from a peer that crashed. */
  returnPeer(actor: { peerBack?(peer: WorkerName): void }, peer: WorkerName): void {
    this.asks.lose(peer, true);
    this.asks.find(peer);
    actor.peerBack?.(peer);
    this.asks.recover(peer);
  }

  /** What was sent to `to` since the last call, in order. */
  take<To extends ActorName>(to: To): Inbox[To][] {
    const taken = this.sent.filter((one) => one.to === to);
    const rest = this.sent.filter((one) => one.to !== to);
    this.sent.splice(0, this.sent.length, ...rest);
    return taken.map(({ message }) => message as Inbox[To]);
  }

  close(): void {
    this.epoll.close();
  }
}
