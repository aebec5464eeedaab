// The supervisor's side of the actors: it spawns each worker once, links them, stops them in order, and replaces one
// that died.

import type { Level } from "./log.ts";
import type { ServerConfig } from "../../config.ts";
import type { LifecycleTables } from "../machines/index.ts";
import {
  type ActorName,
  type AreaName,
  hasProcess,
  type Inbox,
  laterFor,
  peersOf,
  type WorkerName,
  workerNames,
  workersFor,
} from "../registry.ts";
import { Absences } from "./absences.ts";
import { Asks } from "./asks.ts";
import { Commons } from "./commons.ts";
import type { HostEvents } from "./host-events.ts";
import type { LineEnd } from "./lines/line.ts";
import { lineEnds, linesAmong, portsOf } from "./lines/open.ts";
import { Mailbox, type RuntimeMessage } from "./mailbox.ts";
import { isSound, withLastWords } from "./process/last-words.ts";
import { startChild } from "./process/child-process.ts";
import { StallWatch, startPatienceMs } from "./process/stall-watch.ts";
import type { ActorStart } from "./start.ts";
import { mapTap, Tap } from "./tap/tap.ts";
import { type SharedWords, slotOf } from "./shared-words.ts";
import { Stops } from "./stops.ts";
import { endedWithin, type Running, startThread } from "./thread.ts";
import { afterInEventLoop } from "./timers.ts";

export class ActorHost {
  /** The workers that the settings ask for, and those that were added, in the order of their start. */
  names: readonly WorkerName[];
  readonly commons: Commons;
  private readonly words: SharedWords;
  private readonly mailbox: Mailbox;
  private readonly tap: Tap | null;
  /** Questions of the supervisor, and their answers. */
  readonly asks: Asks;
  private readonly workers = new Map<WorkerName, Running>();
  private readonly watches = new Map<WorkerName, StallWatch>();
  private readonly stops = new Stops();
  private readonly absences = new Absences();
  /** Actors that were replaced, and are not ready yet. */
  private readonly returning = new Set<WorkerName>();

  constructor(
    private config: ServerConfig,
    private readonly machines: LifecycleTables,
    private readonly events: HostEvents,
  ) {
    this.names = workersFor(config);
    const outside = this.names.filter((name) => this.isChild(name));
    this.commons = new Commons([...this.names, ...laterFor(config)], outside);
    const { words, bellFds, tapsFd } = this.commons;
    this.words = words;
    this.tap = tapsFd < 0 ? null : new Tap(mapTap(tapsFd, slotOf("supervisor")));
    this.mailbox = new Mailbox("supervisor", words, bellFds, this.tap, (peer, reason) =>
      this.distrust(peer as WorkerName, "supervisor", reason),
    );
    this.asks = new Asks({
      send: (to, message) => this.mailbox.send(to, message),
      after: afterInEventLoop,
      lastToken: new Int32Array(1),
    });
  }

  /** Spawns every worker at once; each says `ready` when it is. */
  start(): void {
    const lines = linesAmong(this.names, this.peersOf, this.lineEnds);
    for (const name of this.names) this.spawn(name, lines.get(name)!);
    this.wakeUp();
  }

  /** Tells the peers of an actor that has crashed that it is gone, and whether another one comes. */
  announceLoss(name: WorkerName, returns: boolean): void {
    this.asks.lose(name, returns);
    this.absences.lost(name, returns);
    for (const peer of this.peersOf(name)) this.post(peer, { runtime: "peer-lost", peer: name, returns });
  }

  /** Starts a worker that may come later, or that was given up: to its peers it is one that is back. */
  add(name: WorkerName): void {
    this.names = workerNames.filter((one) => one === name || this.names.includes(one));
    this.restart(name);
    // What it is asked now waits for it.
    this.asks.find(name);
  }

  /** Replaces a worker that crashed: its peers get new lines to it, and hear of it when it is ready. */
  restart(name: WorkerName): void {
    this.returning.add(name);
    const lines: [ActorName, LineEnd][] = [];
    for (const peer of this.peersOf(name)) {
      const [end, otherEnd] = this.lineEnds(name, peer);
      lines.push([peer, end]);
      this.post(peer, { runtime: "link", peer: name, line: otherEnd }, portsOf([otherEnd]));
    }
    this.spawn(name, lines);
    this.absences.linked(name);
    for (const message of this.absences.among(this.peersOf(name))) this.post(name, message);
    this.watch(name, startPatienceMs(this.config.stallMs), "starting");
  }

  /** Ends a living actor's process, by force once `timeoutMs` have passed; returns whether in order. It is no crash, and no peer hears of it. */
  retire(name: WorkerName, timeoutMs: number): Promise<boolean> {
    const worker = this.workers.get(name)!;
    this.forget(name);
    this.post(name, { runtime: "stop" });
    this.mailbox.startle(name);
    return endedWithin(worker, timeoutMs);
  }

  /** Forgets all that an actor that was retired could write: what has it begins anew, but for the areas in `kept`. */
  renew(name: WorkerName, kept: readonly AreaName[]): void {
    this.commons.renew(name, kept);
    for (const one of this.workers.keys()) this.mailbox.startle(one);
    this.wakeUp();
  }

  send<To extends WorkerName>(to: To, message: Inbox[To]): void {
    this.mailbox.send(to, message);
  }

  /** Whether the actor has a worker: not before its start, after its crash, or once it was stopped. */
  isAlive(name: WorkerName): boolean {
    return this.workers.has(name);
  }

  /** What actors log from now on, those to come included. */
  setLogLevel(level: Level): void {
    this.config = { ...this.config, logLevel: level };
    for (const name of this.workers.keys()) this.post(name, { runtime: "log-level", level });
  }

  /** The process that is the actor's own; null where it has none, or is not there. */
  pidOf(name: WorkerName): number | null {
    return this.workers.get(name)?.pid ?? null;
  }

  /** Makes the actor throw, as a bug of its own would. Throws where it is not running. */
  crash(name: WorkerName): void {
    if (!this.isAlive(name)) throw new Error(`the ${name} actor is not running`);
    this.post(name, { runtime: "crash" });
  }

  /** Ends a process that has not come up yet, where the actor has one; returns whether it was. */
  endStart(name: WorkerName): boolean {
    const worker = this.workers.get(name);
    if (worker === undefined || !this.isChild(name)) return false;
    this.forget(name);
    worker.end();
    return true;
  }

  /** Stops every living worker, last started first, each within `timeoutMs`; those that do not answer are ended, and `late` hears of them. */
  async stop(timeoutMs: number, late: (name: WorkerName) => void): Promise<void> {
    let isAnyLate = false;
    for (const name of this.names.toReversed()) {
      const worker = this.workers.get(name);
      if (worker === undefined) continue;
      const isInTime = this.stops.isInTime(name, timeoutMs);
      this.post(name, { runtime: "stop" });
      this.mailbox.startle(name);
      if (!(await isInTime)) {
        isAnyLate = true;
        late(name);
        worker.end();
      }
      this.forget(name);
    }
    this.mailbox.leave();
    this.commons.close(!isAnyLate);
  }

  counters(name: WorkerName): Float64Array {
    return this.words.counters(slotOf(name));
  }

  private post(to: WorkerName, message: RuntimeMessage, transfer: MessagePort[] = []): void {
    this.mailbox.sendRuntime(to, message, transfer);
  }

  private readonly peersOf = (name: WorkerName): readonly WorkerName[] =>
    peersOf(name).filter((peer) => this.names.includes(peer));

  private isChild(name: WorkerName): boolean {
    return hasProcess(name, this.config);
  }

  private readonly lineEnds = (name: WorkerName, peer: WorkerName): [LineEnd, LineEnd] =>
    lineEnds(this.isChild(name) || this.isChild(peer) ? "rings" : "port");

  private spawn(name: WorkerName, lines: [ActorName, LineEnd][]): void {
    const isChild = this.isChild(name);
    const [ours, theirs] = lineEnds(isChild ? "rings" : "port");
    this.mailbox.link(name, ours);
    const start: ActorStart = {
      config: this.config,
      machines: this.machines,
      ...this.commons.startOf(name),
      lines: [["supervisor", theirs], ...lines],
      isChild,
    };
    const lost = (reason: string): void => {
      if (this.workers.get(name) === worker) this.lost(name, reason);
    };
    const worker = isChild ? this.startChild(name, start, lost) : startThread(name, start, lost);
    this.workers.set(name, worker);
    if (ours.kind === "port") {
      ours.port.onmessage = ({ data }) => {
        this.mailbox.took(slotOf(name), data as object);
        this.receive(data, name);
      };
    }
  }

  private startChild(name: WorkerName, start: ActorStart, lost: (reason: string) => void): Running {
    return startChild(name, start, {
      rung: () => this.wakeUp(),
      said: (line) => this.events.said(name, line),
      ended: (reason) => {
        // Its last words may say more.
        do this.mailbox.drain(this.receive);
        while (this.mailbox.isRung());
        lost(withLastWords(name, reason, this.words));
        for (const one of this.workers.keys()) this.mailbox.startle(one);
        this.wakeUp();
      },
    });
  }

  /** Takes what actors in other processes have sent, and has them ring when there is more. */
  private wakeUp(): void {
    this.mailbox.drain(this.receive);
    // The event loop gets its turn, whatever they send.
    if (!this.words.fallAsleep(slotOf("supervisor"))) setImmediate(() => this.wakeUp());
  }

  private readonly receive = (received: unknown, from: ActorName): void => {
    const [message, name] = [received as Inbox["supervisor"], from as WorkerName];
    this.tap?.look();
    if (this.isChild(name) && !isSound(message))
      return this.distrust(name, "supervisor", "has sent what makes no sense");
    if (message.type === "crashed") return this.lost(name, message.reason);
    if (message.type === "peer-broken")
      return this.distrust(message.peer as WorkerName, name, message.reason);
    if (message.type === "started") this.watch(name);
    if (message.type === "started" && this.returning.delete(name)) {
      this.asks.find(name);
      this.asks.recover(name);
      for (const peer of this.peersOf(name)) this.post(peer, { runtime: "peer-back", peer: name });
    }
    if (message.type === "stopped") {
      this.workers.delete(name);
      this.stops.stopped(name);
    }
    if (!this.asks.takes(message)) this.events.message(name, message);
  };

  /** Looks whether an actor in a process of its own goes on, until it is gone. */
  private watch(name: WorkerName, limitMs = this.config.stallMs, what = "inside of one call"): void {
    if (!this.isChild(name)) return;
    const reason = `ended, since it was ${what} for ${limitMs} ms`;
    this.watches.get(name)?.stop();
    const wake = (): void => this.mailbox.startle(name);
    const stalled = (): void => this.ended(name, reason);
    this.watches.set(name, new StallWatch(this.words, slotOf(name), limitMs, wake, stalled));
  }

  private forget(name: WorkerName): void {
    this.workers.delete(name);
    this.watches.get(name)?.stop();
  }

  /** What an actor in a process of its own sends makes no sense: it may be anybody by now. */
  private distrust(name: WorkerName, by: ActorName, reason: string): void {
    this.ended(name, `ended, since to the ${by} it ${reason}`);
  }

  private ended(name: WorkerName, reason: string): void {
    if (this.isChild(name)) this.lost(name, withLastWords(name, reason, this.words));
  }

  private lost(name: WorkerName, reason: string): void {
    const worker = this.workers.get(name);
    if (worker === undefined) return;
    this.forget(name);
    // A thread's loop has ended; a process may go on.
    if (this.isChild(name)) worker.end();
    this.stops.stopped(name);
    this.events.crashed(name, reason);
  }
}
