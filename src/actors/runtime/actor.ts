// The worker's side of an actor: its context, and the loop that sleeps in epoll until there is something to do.

import { workerData } from "node:worker_threads";
import type { ServerConfig } from "../../config.ts";
import { ConfigError } from "../../config-error.ts";
import { Epoll, EPOLLET, EPOLLIN } from "../../transport/os/epoll.ts";
import type { LifecycleTables } from "../machines/index.ts";
import { type ActorName, type Inbox, manifestOf, schemaOf, type WorkerName } from "../registry.ts";
import { Log } from "./log.ts";
import { Mailbox, type RuntimeMessage } from "./mailbox.ts";
import { SharedWords, slotOf } from "./shared-words.ts";
import { Timers } from "./timers.ts";
import type { WorkerStart } from "./host.ts";

/** What an actor may use. Everything that is known of threads and ports stays behind it. */
export interface ActorContext {
  readonly name: WorkerName;
  readonly config: ServerConfig;
  readonly machines: LifecycleTables;
  readonly log: Log;
  readonly epoll: Epoll;
  readonly timers: Timers;
  /** Counters of this actor, indexed by its own constants; readers see them live. */
  readonly counters: Float64Array;
  /** Words that survive a crash of this actor, for its successor. All zero at first. */
  readonly keep: Int32Array;
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
  receive(message: Message, from: ActorName): void;
  /** A peer has crashed, and what it was told and has not taken is lost; `returns` says whether another one comes. */
  peerLost?(peer: WorkerName, returns: boolean): void;
  /** Another one has taken over from a peer that crashed; it knows nothing, and has a line to this actor. */
  peerBack?(peer: WorkerName): void;
  /** Work that no message or descriptor announces. Answers true when there is more, and the actor must not sleep. */
  turn?(): boolean;
  /** Releases what the actor owns. */
  stop?(): void;
}

/** Runs the actor that `create` makes until the supervisor stops it. The last statement of a worker's entry file. */
export async function runActor<Name extends WorkerName>(
  name: Name,
  create: (context: ActorContext) => Actor<Inbox[Name]> | Promise<Actor<Inbox[Name]>>,
): Promise<void> {
  const start = workerData as WorkerStart;
  const words = SharedWords.open(start.wordsFd);
  const slot = slotOf(name);
  const mailbox = new Mailbox(name, words, start.bellFds);
  for (const [peer, port] of start.ports) mailbox.link(peer, port);
  const watchBell = (): Epoll => {
    const set = new Epoll();
    // Edge-triggered: the doorbell's eventfd is never read.
    set.add(start.bellFds[name]!, EPOLLIN | EPOLLET, () => {});
    return set;
  };
  const epoll = watchBell();
  /** The doorbell alone, for waitUntil. */
  let bell: Epoll | null = null;
  const schema = start.config.checkMessages ? await schemaOf(name) : null;
  const timers = new Timers();
  let stopping = false;
  let actor: Actor<Inbox[Name]> | null = null;

  const receive = (message: unknown, from: ActorName): void => {
    const runtime = message as RuntimeMessage;
    switch (runtime.runtime) {
      case undefined:
        schema?.parse(message);
        return actor!.receive(message as Inbox[Name], from);
      case "stop":
        stopping = true;
        return;
      case "link":
        return mailbox.link(runtime.peer, runtime.port);
      case "peer-lost":
        return actor!.peerLost?.(runtime.peer, runtime.returns);
      case "peer-back":
        return actor!.peerBack?.(runtime.peer);
      case "crash":
        throw new Error("killed by request");
    }
  };
  const drain = (): void => mailbox.drain(receive);
  const sleep = (timeoutMs: number): void => {
    // Descriptors get their turn under a steady stream of messages too.
    const asleep = words.fallAsleep(slot);
    epoll.wait(asleep ? timeoutMs : 0);
    if (asleep) words.wakeUp(slot);
  };

  const context: ActorContext = {
    name,
    config: start.config,
    machines: start.machines,
    log: new Log(start.config.logLevel, (level, text) => {
      mailbox.send("supervisor", { type: "log", level, text });
    }),
    epoll,
    timers,
    counters: words.counters(slot),
    keep: words.keep(slot),
    send: (to, message) => mailbox.send(to, message),
    backlog: (to) => mailbox.backlog(to),
    isRung: () => words.isRung(slot),
    drain,
    tidy: () => Bun.gc(true),
    waitUntil(done, timeoutMs) {
      bell ??= watchBell();
      const deadline = Bun.nanoseconds() + timeoutMs * 1e6;
      const wasStopping = stopping;
      for (;;) {
        drain();
        if (done()) return true;
        if (stopping && !wasStopping) return false;
        const leftMs = Math.ceil((deadline - Bun.nanoseconds()) / 1e6);
        if (leftMs <= 0) return false;
        if (!words.fallAsleep(slot)) continue;
        bell.wait(leftMs);
        words.wakeUp(slot);
      }
    },
    isStopping: () => stopping,
  };

  try {
    actor = await create(context);
    mailbox.send("supervisor", { type: "ready" });
    // What loading the modules has left would stay for as long as nothing happens here.
    context.tidy();
    while (!stopping) {
      if (words.isRung(slot)) drain();
      timers.runDue();
      const more = actor.turn?.() ?? false;
      if (!more && !stopping) sleep(timers.timeout());
    }
  } catch (error) {
    // What is mapped and open outlives the thread: a successor would find it taken, and the process would grow.
    if (manifestOf[name].survives) releaseQuietly(actor);
    epoll.close();
    const reason = (error as Error).message;
    if (error instanceof ConfigError) {
      mailbox.send("supervisor", { type: "misconfigured", reason });
      mailbox.send("supervisor", { type: "stopped" });
    } else mailbox.send("supervisor", { type: "crashed", reason });
    return;
  }
  actor.stop?.();
  mailbox.send("supervisor", { type: "stopped" });
}

/** Stops an actor that has failed; it may fail at that too. */
function releaseQuietly(actor: Actor<never> | null): void {
  try {
    actor?.stop?.();
  } catch {
    // The first error says why.
  }
}
