// What an actor is to the runtime, and what the runtime is to an actor.

import type { ServerConfig } from "../../config.ts";
import type { Epoll } from "../../transport/os/epoll.ts";
import type { NativeMemory } from "../../transport/os/native-memory.ts";
import type { LifecycleTables } from "../machines/index.ts";
import type { ActorName, AreaName, Inbox, WorkerName } from "../registry.ts";
import type { Asks } from "./asks.ts";
import type { Log } from "./log.ts";
import type { Tap } from "./tap/tap.ts";
import type { Timers } from "./timers.ts";

/** What an actor may use. Everything that is known of threads and ports stays behind it. */
export interface ActorContext {
  readonly name: WorkerName;
  readonly config: ServerConfig;
  readonly machines: LifecycleTables;
  readonly log: Log;
  readonly epoll: Epoll;
  readonly timers: Timers;
  /** What the inspector sees of this actor; null where there is none. */
  readonly tap: Tap | null;
  /** Counters of this actor, indexed by its own constants; readers see them live. */
  readonly counters: Float64Array;
  /** Words that survive a crash of this actor, for its successor. All zero at first. */
  readonly keep: Int32Array;
  /** How many of this actor there were, this one included: more than 1 after a crash. */
  readonly life: number;
  /** Whether another one takes this one's place should it crash. */
  readonly mayReturn: boolean;
  /** Questions to others, and their answers. */
  readonly asks: Asks;
  /**
   * Maps an area that actors share, as a manifest names it; the caller unmaps it. A thread may write to what it maps to read. Throws a
   * {@link SystemError}.
   */
  area(name: AreaName, access: "read" | "write"): NativeMemory;
  send<To extends ActorName>(to: To, message: Inbox[To]): void;
  /** Messages to `to` that it has not taken yet: senders that merge hold back while this is high. */
  backlog(to: ActorName): number;
  /** Whether a message waits; a single load of shared memory. */
  isRung(): boolean;
  /** Delivers waiting messages now, between two pieces of a long turn. */
  drain(): void;
  /** Collects what a session has left: an actor that then sleeps would keep it. Takes milliseconds. */
  tidy(): void;
  /**
   * Sleeps and receives messages, and nothing else, until `done()` or the deadline, or until this actor is told to stop
   * meanwhile. Returns whether it was done.
   */
  waitUntil(done: () => boolean, timeoutMs: number): boolean;
  /** Whether this actor was told to stop. */
  isStopping(): boolean;
}

export interface Actor<Message> {
  /** Whether it starts programs after its own start. */
  readonly startsPrograms?: boolean;
  receive(message: Message, from: ActorName): void;
  /** A peer has crashed: what it was told and has not taken is lost, and nothing of it comes any more. */
  peerLost?(peer: WorkerName): void;
  /** Another one has taken over from a peer that crashed; it knows nothing, and has a line to this actor. */
  peerBack?(peer: WorkerName): void;
  /** Work that no message or descriptor announces. Returns true when there is more, and the actor must not sleep. */
  turn?(): boolean;
  /** Releases what the actor owns. Only one that runs in the engine's event loop is waited for. */
  stop?(): void | Promise<void>;
}
