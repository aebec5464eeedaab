// An actor that has its turns when a scheduler says: the runtime of a worker, that never sleeps.

import { milliseconds } from "../../../src/transport/os/clock.ts";
import { type Inbox, manifestOf, type schemaOf, type WorkerName } from "../../../src/actors/registry.ts";
import type { Actor, ActorContext } from "../../../src/actors/runtime/actor.ts";
import { releaseQuietly } from "../../../src/actors/runtime/run-actor.ts";
import type { SharedWords } from "../../../src/actors/runtime/shared-words.ts";
import type { ActorStart } from "../../../src/actors/runtime/start.ts";
import { WorkerRuntime } from "../../../src/actors/runtime/worker.ts";
import type { Party, Scheduler } from "./scheduler.ts";

export type Create<Name extends WorkerName> = (context: ActorContext) => Actor<Inbox[Name]>;

/** What has a process to die with. */
export interface Perishable {
  /** Lets go of all that a process takes along, and does nothing else. */
  perish(): void;
}

export class SimulatedWorker<Name extends WorkerName> extends WorkerRuntime<Name> implements Party {
  private hasMore = false;
  /** Whether descriptors had something, of which the next turn makes something. */
  private hasEvents = false;

  constructor(
    name: Name,
    start: ActorStart,
    words: SharedWords,
    private readonly scheduler: Scheduler,
    private readonly create: Create<Name>,
    schema: Awaited<ReturnType<typeof schemaOf>>,
  ) {
    super(name, start, words);
    this.schema = schema;
  }

  /** The loop of `runActor`, one turn a call. */
  step(): boolean {
    try {
      if (this.actor === null) this.begin();
      else if (!this.advance()) return false;
      if (this.isStopping()) this.end();
    } catch (error) {
      // A bug, which ends the actor as it would end its thread: whoever runs the simulation is told.
      this.fail(error as Error);
    }
    return true;
  }

  dueMs(): number {
    return this.timers.timeout();
  }

  override tidy(): void {}

  /** Whoever waits lets the others have their turns. */
  override waitUntil(done: () => boolean, timeoutMs: number): boolean {
    const deadline = milliseconds() + timeoutMs;
    const wasStopping = this.isStopping();
    const isOver = (): boolean => {
      this.drain();
      return done() || this.isStopping() !== wasStopping;
    };
    this.scheduler.until(isOver, deadline - milliseconds());
    return done();
  }

  private begin(): void {
    this.actor = this.create(this);
    this.send("supervisor", { type: "started", startsPrograms: this.actor.startsPrograms ?? false });
  }

  /** Returns whether there was anything to do. */
  private advance(): boolean {
    const had = this.hasMore || this.hasEvents || this.isRung() || this.timers.timeout() === 0;
    this.hasMore = this.turn();
    if (this.isStopping()) return true;
    this.hasEvents = this.epoll.wait(0) > 0;
    return this.hasEvents || had || this.hasMore;
  }

  private end(): void {
    this.scheduler.remove(this);
    this.actor!.stop?.();
    this.epoll.close();
    this.send("supervisor", { type: "stopped" });
    this.leave();
  }

  private fail(error: Error): void {
    this.scheduler.remove(this);
    const { survives } = manifestOf[this.name];
    if (survives === true) releaseQuietly(this.actor);
    this.send("supervisor", { type: "crashed", reason: error.stack ?? error.message });
    this.leave();
    if (survives === "as-process") (this.actor as Perishable | null)?.perish();
    this.epoll.close();
  }
}
