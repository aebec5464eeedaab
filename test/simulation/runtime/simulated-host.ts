// What the host of the actors is to a server, to a simulation: it makes the memory, bells and lines that they share, and
// gives each its turns. Each line is a port or a pair of rings, as chance has it: actors do not know.

import type { ServerConfig } from "../../../src/config.ts";
import type { LifecycleTables } from "../../../src/actors/machines/index.ts";
import {
  type ActorName,
  type Inbox,
  laterFor,
  peersOf,
  type schemaOf,
  type WorkerName,
  workersFor,
} from "../../../src/actors/registry.ts";
import { Absences } from "../../../src/actors/runtime/absences.ts";
import { Commons } from "../../../src/actors/runtime/commons.ts";
import type { LineEnd } from "../../../src/actors/runtime/lines/line.ts";
import { lineEnds, linesAmong, portsOf } from "../../../src/actors/runtime/lines/open.ts";
import { Mailbox, type RuntimeMessage } from "../../../src/actors/runtime/mailbox.ts";
import { slotOf } from "../../../src/actors/runtime/shared-words.ts";
import { Timers } from "../../../src/actors/runtime/timers.ts";
import type { Chance } from "../../../lab/fuzz/chance.ts";
import type { Party, Scheduler } from "./scheduler.ts";
import { type Create, SimulatedWorker } from "./simulated-worker.ts";

/** How each actor is made, and what its messages are checked with. */
export interface Cast {
  readonly create: { readonly [Name in WorkerName]?: Create<Name> };
  readonly schemas: Readonly<Record<ActorName, Awaited<ReturnType<typeof schemaOf>>>>;
}

export class SimulatedHost implements Party {
  readonly name = "supervisor";
  readonly names: readonly WorkerName[];
  /** The supervisor's. */
  readonly timers = new Timers();
  private readonly commons: Commons;
  private readonly mailbox: Mailbox;
  private readonly alive = new Set<WorkerName>();
  private readonly absences = new Absences();
  private taken = 0;

  /** `receive` is the supervisor. */
  constructor(
    private readonly config: ServerConfig,
    private readonly machines: LifecycleTables,
    private readonly scheduler: Scheduler,
    private readonly cast: Cast,
    private readonly chance: Chance,
    private readonly receive: (from: WorkerName, message: Inbox["supervisor"]) => void,
  ) {
    // Those that a server starts when it is asked to are there from the beginning.
    this.names = [...laterFor(config), ...workersFor(config)].filter(
      (name) => cast.create[name] !== undefined,
    );
    this.commons = new Commons(this.names, []);
    this.mailbox = new Mailbox("supervisor", this.commons.words, this.commons.bellFds);
    scheduler.add(this);
  }

  start(): void {
    const lines = linesAmong(
      this.names,
      (name) => this.peersOf(name),
      () => this.ends(),
    );
    for (const name of this.names) this.spawn(name, lines.get(name)!);
  }

  announceLoss(name: WorkerName, returns: boolean): void {
    this.alive.delete(name);
    this.absences.lost(name, returns);
    for (const peer of this.peersOf(name)) this.tell(peer, { runtime: "peer-lost", peer: name, returns });
  }

  announceReturn(name: WorkerName): void {
    for (const peer of this.peersOf(name)) this.tell(peer, { runtime: "peer-back", peer: name });
  }

  /** Forgets all that an actor could write that has ended. */
  renew(name: WorkerName): void {
    this.commons.renew(name, []);
    for (const one of this.alive) this.mailbox.startle(one);
  }

  restart(name: WorkerName): void {
    const lines: [ActorName, LineEnd][] = [];
    for (const peer of this.peersOf(name)) {
      const [end, otherEnd] = this.ends();
      lines.push([peer, end]);
      this.tell(peer, { runtime: "link", peer: name, line: otherEnd });
    }
    this.spawn(name, lines);
    this.absences.linked(name);
    for (const message of this.absences.among(this.peersOf(name))) this.tell(name, message);
  }

  send<To extends WorkerName>(to: To, message: Inbox[To]): void {
    this.mailbox.send(to, message);
  }

  isAlive(name: WorkerName): boolean {
    return this.alive.has(name);
  }

  /** Makes the actor throw, as a bug of its own would. */
  crash(name: WorkerName): void {
    this.tell(name, { runtime: "crash" });
  }

  stop(name: WorkerName): void {
    this.tell(name, { runtime: "stop" });
  }

  /** Is told that the actor has ended. */
  ended(name: WorkerName): void {
    this.alive.delete(name);
  }

  counters(name: WorkerName): Float64Array {
    return this.commons.words.counters(slotOf(name));
  }

  step(): boolean {
    const { taken, timers } = this;
    const isDue = timers.timeout() === 0;
    timers.runDue();
    this.mailbox.drain((message, from) => {
      this.taken++;
      this.receive(from as WorkerName, message as Inbox["supervisor"]);
    });
    return isDue || this.taken > taken;
  }

  dueMs(): number {
    return this.timers.timeout();
  }

  /** All actors have ended. */
  close(): void {
    this.scheduler.remove(this);
    this.mailbox.leave();
    this.commons.close(true);
    this.commons.words.close();
  }

  private ends(): [LineEnd, LineEnd] {
    return lineEnds(this.chance(4) === 0 ? "rings" : "port");
  }

  private tell(to: WorkerName, message: RuntimeMessage): void {
    this.mailbox.sendRuntime(to, message, "line" in message ? portsOf([message.line]) : []);
  }

  private peersOf(name: WorkerName): readonly WorkerName[] {
    return peersOf(name).filter((peer) => this.names.includes(peer));
  }

  private spawn<Name extends WorkerName>(name: Name, lines: [ActorName, LineEnd][]): void {
    const [ours, theirs] = lineEnds("port");
    this.mailbox.link(name, ours);
    const start = {
      config: this.config,
      machines: this.machines,
      ...this.commons.startOf(name),
      tapsFd: -1,
      lines: [["supervisor", theirs] as [ActorName, LineEnd], ...lines],
      isChild: false,
    };
    const create = this.cast.create[name] as Create<Name>;
    const schema = this.cast.schemas[name];
    this.alive.add(name);
    this.scheduler.add(new SimulatedWorker(name, start, this.commons.words, this.scheduler, create, schema));
  }
}
