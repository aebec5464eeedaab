// The supervisor's side of the actors: it spawns each worker once, links them, stops them in order, and replaces one
// that died. With actor.ts and mailbox.ts the only code that knows that an actor is a thread.

import type { Level } from "./log.ts";
import type { ServerConfig } from "../../config.ts";
import { closeFd, createEventfd, createMemfd } from "../../transport/os/fds.ts";
import type { LifecycleTables } from "../machines/index.ts";
import {
  type ActorName,
  entries,
  type Inbox,
  laterFor,
  manifestOf,
  peersOf,
  type WorkerName,
  workerNames,
  workersFor,
} from "../registry.ts";
import { Asks } from "./asks.ts";
import { Mailbox, type RuntimeMessage } from "./mailbox.ts";
import { mapTap, Tap } from "./tap/tap.ts";
import { SharedWords, slotOf } from "./shared-words.ts";

/** What a worker is given when it starts. */
export interface WorkerStart {
  config: ServerConfig;
  machines: LifecycleTables;
  wordsFd: number;
  /** Where the actors' taps lie; -1 where nobody will ever read them. */
  tapsFd: number;
  bellFds: Record<string, number>;
  areaFds: Record<string, number>;
  ports: [ActorName, MessagePort][];
}

export interface HostEvents {
  message(from: WorkerName, message: Exclude<Inbox["supervisor"], { type: "crashed" }>): void;
  /** A worker threw and is gone. */
  crashed(name: WorkerName, reason: string): void;
}

export class ActorHost {
  /** The workers that the settings ask for, and those that were added, in the order of their start. */
  names: readonly WorkerName[];
  private readonly words = SharedWords.create();
  private readonly bellFds: Record<string, number> = {};
  private readonly areaFds: Record<string, number> = {};
  private readonly mailbox: Mailbox;
  private readonly tap: Tap | null;
  /** Questions of the supervisor, and their answers. */
  readonly asks: Asks;
  private readonly workers = new Map<WorkerName, Worker>();
  private readonly waitingForStop = new Map<WorkerName, () => void>();
  /** Actors that were replaced, and are not ready yet. */
  private readonly returning = new Set<WorkerName>();

  constructor(
    private config: ServerConfig,
    private readonly machines: LifecycleTables,
    private readonly events: HostEvents,
  ) {
    this.names = workersFor(config);
    for (const name of [...this.names, ...laterFor(config)]) {
      this.bellFds[name] = createEventfd();
      for (const [area, bytes] of Object.entries(manifestOf[name].areas)) {
        this.areaFds[area] = createMemfd(`fencepost-${area}`, bytes);
      }
    }
    this.tap = this.areaFds["taps"] === undefined ? null : new Tap(mapTap(this.areaFds["taps"], 0));
    this.mailbox = new Mailbox("supervisor", this.words, this.bellFds, this.tap);
    this.asks = new Asks({
      send: (to, message) => this.mailbox.send(to, message),
      after: (ms, run) => {
        const timer = setTimeout(run, ms);
        return () => clearTimeout(timer);
      },
      lastToken: new Int32Array(1),
    });
  }

  /** Spawns every worker at once; each says `ready` when it is. */
  start(): void {
    const ports = new Map<WorkerName, [ActorName, MessagePort][]>(this.names.map((name) => [name, []]));
    for (const name of this.names) {
      for (const peer of this.peersOf(name)) {
        // One channel a pair.
        if (name > peer) continue;
        const { port1, port2 } = new MessageChannel();
        ports.get(name)!.push([peer, port1]);
        ports.get(peer)!.push([name, port2]);
      }
    }
    for (const name of this.names) this.spawn(name, ports.get(name)!);
  }

  /** Tells the peers of an actor that has crashed that it is gone, and whether another one comes. */
  announceLoss(name: WorkerName, returns: boolean): void {
    this.asks.lose(name, returns);
    for (const peer of this.peersOf(name)) this.post(peer, { runtime: "peer-lost", peer: name, returns });
  }

  /** Starts a worker that may come later, or that was given up: to its peers it is one that is back. */
  add(name: WorkerName): void {
    this.names = workerNames.filter((one) => one === name || this.names.includes(one));
    this.restart(name);
    // What it is asked now waits for it.
    this.asks.find(name);
  }

  /** Replaces a worker that crashed: its peers get new channels to it, and hear of it when it is ready. */
  restart(name: WorkerName): void {
    this.returning.add(name);
    const ports: [ActorName, MessagePort][] = [];
    for (const peer of this.peersOf(name)) {
      const { port1, port2 } = new MessageChannel();
      ports.push([peer, port1]);
      this.post(peer, { runtime: "link", peer: name, port: port2 }, [port2]);
    }
    this.spawn(name, ports);
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

  /** Makes the actor throw, as a bug of its own would. Throws where it is not running. */
  crash(name: WorkerName): void {
    if (!this.isAlive(name)) throw new Error(`the ${name} actor is not running`);
    this.post(name, { runtime: "crash" });
  }

  /**
   * Stops every living worker, last started first, each within `timeoutMs`. Those that do not answer are ended; `late`
   * hears of them.
   */
  async stop(timeoutMs: number, late: (name: WorkerName) => void): Promise<void> {
    for (const name of this.names.toReversed()) {
      const worker = this.workers.get(name);
      if (worker === undefined) continue;
      const stopped = new Promise<boolean>((resolve) => {
        const timer = setTimeout(() => resolve(false), timeoutMs);
        this.waitingForStop.set(name, () => {
          clearTimeout(timer);
          resolve(true);
        });
      });
      this.post(name, { runtime: "stop" });
      if (!(await stopped)) {
        late(name);
        // One that is inside of a library call ends with the process.
        void worker.terminate();
      }
      this.workers.delete(name);
    }
    for (const fd of Object.values({ ...this.bellFds, ...this.areaFds })) closeFd(fd);
  }

  /** The live counters of one actor. */
  counters(name: WorkerName): Float64Array {
    return this.words.counters(slotOf(name));
  }

  private post(to: WorkerName, message: RuntimeMessage, transfer: MessagePort[] = []): void {
    this.mailbox.sendRuntime(to, message, transfer);
  }

  private peersOf(name: WorkerName): readonly WorkerName[] {
    return peersOf(name).filter((peer) => this.names.includes(peer));
  }

  private spawn(name: WorkerName, ports: [ActorName, MessagePort][]): void {
    const { port1, port2 } = new MessageChannel();
    this.mailbox.link(name, port1);
    const start: WorkerStart = {
      config: this.config,
      machines: this.machines,
      wordsFd: this.words.fd,
      tapsFd: this.areaFds["taps"] ?? -1,
      bellFds: this.bellFds,
      areaFds: this.areaFds,
      ports: [["supervisor", port2], ...ports],
    };
    // The web's Worker: one of node:worker_threads brings Node's streams, which take longer and more memory than an actor.
    const worker = new Worker(entries[name](), {
      name,
      smol: true,
      workerData: start,
      transferList: start.ports.map(([, port]) => port),
    } as WorkerOptions);
    this.workers.set(name, worker);
    const lost = (reason: string): void => {
      if (this.workers.get(name) !== worker) return;
      this.workers.delete(name);
      port1.close();
      this.waitingForStop.get(name)?.();
      this.events.crashed(name, reason);
    };
    let taken = 0;
    port1.onmessage = ({ data }) => {
      const message = data as Inbox["supervisor"];
      taken++;
      this.tap?.look();
      // Counted while nobody reads, too: who reads later takes what was not for messages that wait.
      this.tap?.received(slotOf(name), taken, message.type);
      if (message.type === "crashed") return lost(message.reason);
      if (message.type === "started" && this.returning.delete(name)) {
        this.asks.find(name);
        this.asks.recover(name);
        for (const peer of this.peersOf(name)) this.post(peer, { runtime: "peer-back", peer: name });
      }
      if (message.type === "stopped") {
        this.workers.delete(name);
        this.waitingForStop.get(name)?.();
      }
      if (!this.asks.takes(message)) this.events.message(name, message);
    };
    // What the actor's loop could not catch, such as a module that does not load.
    worker.onerror = (event) => {
      event.preventDefault();
      lost(event.message.trim());
    };
  }
}
