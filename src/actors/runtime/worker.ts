// One worker's runtime: mailbox, doorbell and clock behind the actor's context, and what the runtime is told itself.

import type { ServerConfig } from "../../config.ts";
import { Epoll, EPOLLET, EPOLLIN } from "../../transport/os/epoll.ts";
import { NativeMemory } from "../../transport/os/native-memory.ts";
import type { LifecycleTables } from "../machines/index.ts";
import {
  type ActorName,
  type AreaName,
  areas,
  type Inbox,
  mayReturn,
  schemaOf,
  type WorkerName,
} from "../registry.ts";
import type { Actor, ActorContext } from "./actor.ts";
import { Asks } from "./asks.ts";
import { type Level, Log } from "./log.ts";
import { Mailbox, type RuntimeMessage } from "./mailbox.ts";
import { type ActorStart, ownStart } from "./start.ts";
import { Own, SharedWords, slotOf } from "./shared-words.ts";
import { mapTap, Tap } from "./tap/tap.ts";
import { now, Timers } from "./timers.ts";

const openWords = ({ isChild, words }: ActorStart): SharedWords =>
  isChild ? SharedWords.open(words.fd, words.outside) : SharedWords.mappedAt(words);

type Schema = Awaited<ReturnType<typeof schemaOf>>;

export class WorkerRuntime<Name extends WorkerName> implements ActorContext {
  readonly config: ServerConfig;
  readonly machines: LifecycleTables;
  readonly log: Log;
  readonly epoll: Epoll;
  readonly timers = new Timers();
  readonly tap: Tap | null;
  readonly counters: Float64Array;
  readonly keep: Int32Array;
  readonly life: number;
  readonly mayReturn: boolean;
  readonly asks: Asks;
  /** Whom messages are for, once it is made. */
  actor: Actor<Inbox[Name]> | null = null;

  private readonly slot: number;
  /** Not 0 while a message waits. */
  private readonly rung: Int32Array;
  private readonly mailbox: Mailbox;
  /** The doorbell alone, for {@link waitUntil}. */
  private bell: Epoll | null = null;
  private readonly own: Int32Array;
  protected schema: Schema | null = null;
  private stopping = false;

  constructor(
    readonly name: Name,
    private readonly start: ActorStart = ownStart(),
    private readonly words: SharedWords = openWords(start),
  ) {
    const { timers } = this;
    this.config = start.config;
    this.machines = start.machines;
    this.slot = slotOf(name);
    this.rung = words.bell(this.slot);
    this.tap = start.tapsFd < 0 ? null : new Tap(mapTap(start.tapsFd, this.slot));
    // Those whom a process is given are trusted; a process is not.
    const onBroken = start.isChild ? null : (peer: ActorName, reason: string) => this.blame(peer, reason);
    this.mailbox = new Mailbox(name, words, start.bellFds, this.tap, onBroken);
    for (const [peer, end] of start.lines) this.mailbox.link(peer, end);
    const { logLevel, logLinesMax } = start.config;
    const write = (level: Level, text: string): void => this.send("supervisor", { type: "log", level, text });
    this.log = new Log(logLevel, write, logLinesMax);
    this.epoll = this.watchBell();
    this.counters = words.counters(this.slot);
    this.keep = words.keep(this.slot);
    this.own = words.own(this.slot);
    const { own } = this;
    this.life = ++own[Own.lives]!;
    this.mayReturn = mayReturn(name, start.config);
    this.asks = new Asks({
      send: (to, message) => this.mailbox.send(to, message),
      after: (ms, run) => timers.after(ms, run),
      lastToken: own.subarray(Own.lastToken),
    });
  }

  /** Whether it has a process of its own. */
  get isChild(): boolean {
    return this.start.isChild;
  }

  /** Loads what messages are checked with, where they are. */
  async prepare(): Promise<void> {
    if (this.config.checkMessages) this.schema = await schemaOf(this.name);
  }

  /** One turn of the actor, but for its sleep. Returns whether there is more to do. */
  turn(): boolean {
    this.tap?.look();
    if (this.isRung()) this.drain();
    this.timers.runDue();
    return this.actor!.turn?.() ?? false;
  }

  /** Lets go of what the runtime has, once the actor has said that it has ended. */
  leave(): void {
    this.mailbox.leave();
    this.tap?.close();
  }

  area(name: AreaName, access: "read" | "write"): NativeMemory {
    const { isChild, areaFds, areaPlaces } = this.start;
    return isChild
      ? NativeMemory.mapShared(areaFds[name]!, 0, areas[name], access)
      : NativeMemory.mappedAt(areaPlaces[name]!, areas[name]);
  }

  send<To extends ActorName>(to: To, message: Inbox[To]): void {
    this.mailbox.send(to, message);
  }

  backlog(to: ActorName): number {
    return this.mailbox.backlog(to);
  }

  isRung(): boolean {
    return Atomics.load(this.rung, 0) !== 0;
  }

  drain(): void {
    this.mailbox.drain(this.receive);
  }

  tidy(): void {
    Bun.gc(true);
  }

  isStopping(): boolean {
    return this.stopping;
  }

  waitUntil(done: () => boolean, timeoutMs: number): boolean {
    this.bell ??= this.watchBell();
    const deadline = now() + timeoutMs;
    const wasStopping = this.stopping;
    for (;;) {
      this.drain();
      if (done()) return true;
      if (this.stopping && !wasStopping) return false;
      const leftMs = Math.ceil(deadline - now());
      if (leftMs <= 0) return false;
      if (!this.words.fallAsleep(this.slot)) continue;
      this.bell.wait(leftMs);
      this.words.wakeUp(this.slot);
    }
  }

  /** Sleeps until a descriptor is ready, a message comes or a timer is due. */
  sleep(): void {
    const { words, slot, tap, own } = this;
    own[Own.turns]!++;
    if (tap !== null) tap.sleeps();
    // Descriptors get their turn under a steady stream of messages too.
    const asleep = words.fallAsleep(slot);
    this.epoll.wait(asleep ? this.timers.timeout() : 0);
    if (asleep) words.wakeUp(slot);
    if (tap !== null) tap.wakes();
  }

  private readonly receive = (message: unknown, from: ActorName): void => {
    const runtime = message as RuntimeMessage;
    // Nobody else has anything to tell the runtime.
    if (from === "supervisor" && runtime.runtime !== undefined) return this.receiveOwn(runtime);
    if (this.start.isChild || !this.words.isOutside(slotOf(from))) this.deliver(message as Inbox[Name], from);
    else this.deliverDoubtful(message as Inbox[Name], from);
  };

  private deliver(message: Inbox[Name], from: ActorName): void {
    this.schema?.parse(message);
    if (!this.asks.takes(message)) this.actor!.receive(message, from);
  }

  /** The sender's process may be anybody's by now: what its message does here is its fault. */
  private deliverDoubtful(message: Inbox[Name], from: ActorName): void {
    try {
      this.deliver(message, from);
    } catch (error) {
      this.blame(from, `has sent what makes no sense: ${(error as Error).message}`);
      // Half of it may be done: a successor is the better one, where there is one.
      if (this.mayReturn) throw error;
    }
  }

  private receiveOwn(runtime: RuntimeMessage): void {
    switch (runtime.runtime) {
      case "stop":
        this.stopping = true;
        return;
      case "link":
        return this.mailbox.link(runtime.peer, runtime.line);
      case "peer-lost":
        return this.peerLost(runtime.peer, runtime.returns);
      case "peer-back":
        return this.peerBack(runtime.peer);
      case "log-level":
        this.log.level = runtime.level;
        return;
      case "crash":
        throw new Error("killed by request");
    }
  }

  private blame(peer: ActorName, reason: string): void {
    this.send("supervisor", { type: "peer-broken", peer: peer as WorkerName, reason });
  }

  private peerLost(peer: WorkerName, returns: boolean): void {
    this.mailbox.lose(peer);
    this.asks.lose(peer, returns);
    this.actor!.peerLost?.(peer);
  }

  private peerBack(peer: WorkerName): void {
    this.asks.find(peer);
    this.actor!.peerBack?.(peer);
    // What was asked before may build upon what the new one has just been told.
    this.asks.recover(peer);
  }

  private watchBell(): Epoll {
    const set = new Epoll();
    // Edge-triggered: the doorbell's eventfd is never read.
    set.add(this.start.bellFds[this.name]!, EPOLLIN | EPOLLET, () => {});
    return set;
  }
}
