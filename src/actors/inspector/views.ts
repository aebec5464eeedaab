// What each view is made of: the same for a page, for /api and for metrics.

import { type ActorName, manifestOf, type WorkerName } from "../registry.ts";
import { slotOf } from "../runtime/shared-words.ts";
import type { Accounts } from "./accounts.ts";
import type { Collector } from "./collector.ts";
import { type ActorRecord, type Inventory, type Named, stuckMs } from "./feed.ts";
import type { ResourcePictures } from "./resource-pictures.ts";
import type { LoadRecord } from "./load-feed.ts";
import type { Outputs } from "./outputs.ts";
import { processFacts, processorNs } from "./process-facts.ts";
import { silence } from "./silence.ts";

/** How old an answer of the supervisor's may be for a view, and one of the ctrl queue's. */
const statusMs = 200;
const inventoryMs = 400;

export class Views {
  /** As of the last look: nanoseconds that each has slept, and had a processor. */
  private readonly spent = new Map<ActorName, { slept: number; ran: number }>();
  private readonly busy = new Map<ActorName, number>();
  private readonly processor = new Map<ActorName, number>();
  private known: Inventory = { resources: [], contexts: [], fences: [], unanswered: null };

  /** `lastNs`: how busy actors are is first said of the time since then. */
  constructor(
    readonly collector: Collector,
    readonly accounts: Accounts,
    readonly resources: ResourcePictures,
    readonly outputs: Outputs,
    private lastNs: number,
  ) {
    for (const name of collector.names) this.spent.set(name, this.spentBy(name, lastNs));
  }

  /** Those of this process, and behind them who else tells of itself. */
  async actors(ns: number): Promise<ActorRecord[]> {
    const status = await this.accounts.status.get(statusMs);
    this.measure(ns);
    const own = this.collector.names.map((name): ActorRecord => {
      const one = status?.actors[name];
      return {
        name,
        state: name === "supervisor" ? String(status?.device ?? "unknown") : String(one?.state ?? "unknown"),
        restarts: one?.restarts ?? 0,
        crashes: one?.crashes ?? 0,
        lastCrash: one?.lastCrash ?? null,
        mailbox: this.mailbox(name),
        taken: this.taken(name),
        thread: this.collector.readerOf(name).thread,
        busy: this.busy.get(name) ?? 0,
        processor: this.processor.get(name) ?? 0,
        naps: this.collector.readerOf(name).naps,
        counters: one?.counters ?? {},
        droppedRecords: this.collector.readerOf(name).dropped,
        isOutside: false,
      };
    });
    return [...own, ...(status?.outsiders ?? []).map((one) => ({ ...ofNobody, ...one }))];
  }

  /** What there is now, or was `ageMs` ago at most. */
  async inventory(ns: number, ageMs = inventoryMs): Promise<Inventory | null> {
    const inventory = await this.accounts.inventory.get(ageMs);
    if (inventory === null) return null;
    const { uses } = this.collector;
    this.known = {
      ...inventory,
      resources: inventory.resources.map((one) => ({ ...one, ...uses.of(one.id, ns, one.surface !== 0) })),
    };
    return this.known;
  }

  /** What is known without a ctrl queue that has not answered for a while; null where it has. */
  inventoryOfSilent(ns: number): Inventory | null {
    const { silentMs } = this.accounts.inventory;
    if (silentMs < stuckMs) return null;
    return { ...this.known, ...silence(this.collector.past.unanswered(), ns, silentMs) };
  }

  /** Every machine, with how often each event came in each state; refusals are the virtio error's name. */
  machines() {
    return this.collector.readers.flatMap((reader) =>
      reader.machines().map(({ machine, counts }) => ({
        actor: reader.actor,
        machine: machine.name,
        states: machine.states,
        events: machine.events,
        counts: [...counts].flatMap((count, cell) => {
          const state = Math.floor(cell / machine.events.length);
          const event = cell % machine.events.length;
          if (count === 0) return [];
          const next = machine.next[cell]!;
          const to = next < 0x80 ? machine.states[next]! : null;
          return { state: machine.states[state]!, event: machine.events[event]!, to, count };
        }),
      })),
    );
  }

  /** What the device has done and takes at `ns`. */
  async load(ns: number): Promise<LoadRecord> {
    const actors = await this.actors(ns);
    const countOf = (name: string, counter: string): number =>
      actors.find((one) => one.name === name)?.counters[counter] ?? 0;
    const queues = ["ctrl-queue", "cursor-queue"].map((queue) => ({
      queue,
      ...{ commands: countOf(queue, "commands"), interrupts: countOf(queue, "interrupts") },
      wakeUps: countOf(queue, "wakeUps"),
    }));
    return {
      ...{ ns, queues, ...processFacts() },
      wakeUps: actors.reduce((sum, { naps }) => sum + naps, 0),
      storageBytes: countOf("ctrl-queue", "storageBytes"),
      guestBytes: countOf("vhost-session", "guestBytes"),
    };
  }

  private mailbox(name: ActorName): Record<Named, number> {
    const { collector } = this;
    const own = collector.readerOf(name);
    return this.withPeers(name, (peer) => {
      const sent = collector.readerOf(peer).sentTo(slotOf(name));
      return Math.max(0, (sent - own.takenFrom(slotOf(peer))) | 0);
    });
  }

  private taken(name: ActorName): Record<Named, number> {
    const own = this.collector.readerOf(name);
    return this.withPeers(name, (peer) => own.takenFrom(slotOf(peer)));
  }

  private withPeers(name: ActorName, value: (peer: ActorName) => number): Record<Named, number> {
    const peers = this.collector.names.filter((peer) => peer !== name && talk(peer, name));
    return Object.fromEntries(peers.map((peer) => [peer, value(peer)]));
  }

  /** How busy each actor was since the last look, where that is long enough ago to say. */
  private measure(ns: number): void {
    const passed = ns - this.lastNs;
    if (passed < 100e6) return;
    for (const name of this.collector.names) {
      const now = this.spentBy(name, ns);
      const before = this.spent.get(name);
      this.spent.set(name, now);
      // Of one that has just come nobody knows since when.
      if (before === undefined) continue;
      this.busy.set(name, 1 - part(now.slept - before.slept, passed));
      this.processor.set(name, part(now.ran - before.ran, passed));
    }
    // Who sleeps in an event loop, nobody sees asleep.
    for (const name of ["supervisor", "inspector"] as const) this.busy.set(name, this.processor.get(name)!);
    this.lastNs = ns;
  }

  private spentBy(name: ActorName, ns: number): { slept: number; ran: number } {
    const reader = this.collector.readerOf(name);
    return { slept: reader.sleptUntil(ns), ran: processorNs(reader.thread) };
  }
}

/** What is known of somebody in another process, but for what they say. */
const ofNobody = {
  restarts: 0,
  crashes: 0,
  lastCrash: null,
  mailbox: {},
  taken: {},
  thread: 0,
  busy: 0,
  processor: 0,
  naps: 0,
  droppedRecords: 0,
  isOutside: true,
} as const;

const part = (of: number, whole: number): number => Math.min(1, Math.max(0, of / whole));

/** Whether `from` may send to `to`. */
function talk(from: ActorName, to: ActorName): boolean {
  if (from === "supervisor" || to === "supervisor") return true;
  return manifestOf[from].talksTo.includes(to satisfies WorkerName);
}
