// The inspector: reads the taps of all actors, and serves what they tell to pages and programs.

import { asRefusal } from "../../transport/os/errors.ts";
import type { Actor, ActorContext } from "../runtime/actor.ts";
import type { WorkerName } from "../registry.ts";
import { slotOf } from "../runtime/shared-words.ts";
import { MonotonicClock } from "../../transport/os/monotonic-clock.ts";
import { Accounts } from "./accounts.ts";
import { Breaks } from "./breaks.ts";
import { Collector, othersMax } from "./collector.ts";
import { Counter } from "./counters.ts";
import { CursorWatch } from "./cursors.ts";
import type { Topic } from "./feed.ts";
import type { InspectorMessage } from "./messages.ts";
import { Outputs } from "./outputs.ts";
import { RecordStreams } from "./record-streams.ts";
import { ResourcePictures } from "./resource-pictures.ts";
import { InspectorServer } from "./server.ts";
import type { Fresh } from "./subscriber.ts";
import { Screens } from "./screens.ts";
import { Traces } from "./trace/traces.ts";
import { Views } from "./views.ts";

/** How often the views that are asked for, and not told, are made anew. */
const actorsNs = 250e6;
const resourcesNs = 500e6;
const latencyNs = 1e9;
const breakNs = 1e9;
const loadNs = 1e9;

export class Inspector implements Actor<InspectorMessage> {
  private readonly clock = new MonotonicClock();
  private readonly collector: Collector;
  private readonly views: Views;
  private readonly server: InspectorServer | null;
  private readonly screens: Screens;
  private readonly traces: Traces;
  private readonly records: RecordStreams;
  private readonly cursors: CursorWatch;
  private readonly breaks: Breaks;
  private nextActors = 0;
  private nextResources = 0;
  private nextLatency = 0;
  private nextBreak = 0;
  private breaksTold = 0;
  private nextLoad = 0;
  private lastDropped = 0;
  /** What was asked for, and has come since the last batch. */
  private arrived: Partial<Fresh> = {};

  constructor(private readonly context: ActorContext) {
    const now = (): number => this.clock.now();
    this.collector = new Collector(context, context.area("taps", "write"));
    const accounts = new Accounts(context, (id) => this.collector.nameOfContext(id));
    this.views = new Views(
      this.collector,
      accounts,
      new ResourcePictures(context),
      new Outputs(context),
      this.clock.now(),
    );
    this.screens = new Screens(context, (record) => (this.arrived.screen ??= []).push(record));
    this.cursors = new CursorWatch(context, (cursors) => (this.arrived.cursors = { shown: cursors }));
    this.traces = new Traces(context, this.collector, accounts, now);
    this.records = new RecordStreams(context);
    this.breaks = new Breaks(context, this.views);
    this.server = this.opened(now);
  }

  receive(message: InspectorMessage): void {
    switch (message.type) {
      case "break-changed":
        return this.breaks.take(message);
      case "start-trace":
        return this.traces.begin(message.fd, message.bytes);
      case "ask-trace-end":
        return void this.traces.end().then((bytes) => {
          this.context.send("supervisor", { type: "trace-end", token: message.token, bytes });
        });
    }
  }

  peerLost(peer: WorkerName): void {
    this.collector.died(peer, this.clock.now());
    if (peer === "ctrl-queue") this.breaks.lost();
  }

  peerBack(peer: WorkerName): void {
    if (peer === "ctrl-queue") this.breaks.again();
  }

  /** Returns whether an answer is waited for that a page is to have soon. */
  turn(): boolean {
    const ns = this.clock.now();
    this.server?.turn(ns);
    const pages = this.server?.pages ?? [];
    const wanted = new Set<Topic>();
    for (const page of pages) for (const topic of page.topics()) wanted.add(topic);
    // Pictures say what of the screens has changed.
    if (wanted.has("screen")) wanted.add("pictures");
    const fresh: Fresh = { ...this.collect(ns, wanted), ...this.arrived };
    this.arrived = {};
    if (wanted.has("screen")) this.askPixels(ns, fresh);
    if (wanted.has("break")) this.tellBreak(ns);
    this.askDue(ns, wanted);
    const { counters } = this.context;
    counters[Counter.records] = this.collector.records;
    counters[Counter.droppedRecords] = fresh.droppedRecords;
    counters[Counter.historyBytes] = this.collector.history.bytes;
    counters[Counter.pages] = this.server?.pages.size ?? 0;
    for (const page of pages) {
      if (page.send(fresh)) counters[Counter.batches]!++;
      else {
        counters[Counter.droppedBatches]!++;
        if (fresh.screen !== undefined) this.screens.owe();
        if (fresh.cursors !== undefined) this.cursors.owe();
      }
    }
    return wanted.has("screen") && this.screens.isAsking;
  }

  async stop(): Promise<void> {
    // A successor of one that has crashed wants the port.
    if (this.context.isStopping()) await this.records.settle();
    this.server?.close();
    this.records.close();
    await this.traces.stop();
    this.collector.close();
    this.clock.close();
  }

  private opened(now: () => number): InspectorServer | null {
    const { config, keep, log } = this.context;
    if (config.inspect === undefined) return null;
    try {
      const server = new InspectorServer(
        config.inspect,
        keep,
        this.views,
        this.breaks,
        this.traces,
        this.records,
        now,
        config.pagesMax,
        () => log.beyond("pagesMax", config.pagesMax, "it is refused", "a page"),
      );
      log.info(`open ${server.url}`);
      this.context.send("supervisor", { type: "inspector-opened", url: server.url });
      return server;
    } catch (error) {
      // The guest goes on without being looked at.
      log.error(`no inspector: ${asRefusal(error).message}`);
      return null;
    }
  }

  private collect(ns: number, wanted: ReadonlySet<Topic>): Fresh {
    const fresh = this.collector.collect(ns, (topic) => wanted.has(topic), this.traces.tracers);
    this.traces.turn(ns);
    return fresh;
  }

  private askPixels(ns: number, { pictures, droppedRecords }: Fresh): void {
    for (const picture of pictures ?? []) this.screens.note(picture);
    // Who has just come has seen nothing; and nobody knows what records said that are lost.
    const isNew = [...this.server!.pages].map((page) => page.isNewTo("screen")).includes(true);
    if (isNew || droppedRecords !== this.lastDropped || pictures!.length === othersMax) this.screens.owe();
    this.lastDropped = droppedRecords;
    this.screens.turn(ns);
    if (isNew) this.cursors.owe();
    this.cursors.turn(this.collector.readerOf("display").takenFrom(slotOf("cursor-queue")));
  }

  private tellBreak(ns: number): void {
    const isNew = [...this.server!.pages].map((page) => page.isNewTo("break")).includes(true);
    if (!this.breaks.hasChanged() && !isNew && ns < this.nextBreak) return;
    this.nextBreak = ns + breakNs;
    const number = ++this.breaksTold;
    void this.breaks.tell(ns).then((record) => {
      // One that had less to ask for may be there before an older one.
      if (number === this.breaksTold) this.arrived.break = record;
    });
  }

  /** Asks for what is to be told again; it comes with a later batch. */
  private askDue(ns: number, wanted: ReadonlySet<Topic>): void {
    if (wanted.has("actors") && ns >= this.nextActors) {
      this.nextActors = ns + actorsNs;
      void this.views.actors(ns).then((actors) => (this.arrived.actors = actors));
    }
    if (wanted.has("resources") && ns >= this.nextResources) {
      this.nextResources = ns + resourcesNs;
      const known = this.views.inventoryOfSilent(ns);
      if (known !== null) this.arrived.resources = known;
      void this.views.inventory(ns).then((all) => {
        if (all !== null) this.arrived.resources = all;
      });
    }
    if (wanted.has("latency") && ns >= this.nextLatency) {
      this.nextLatency = ns + latencyNs;
      this.arrived.latency = this.collector.latencies.tell();
    }
    if (wanted.has("load") && ns >= this.nextLoad) {
      this.nextLoad = ns + loadNs;
      void this.views.load(ns).then((load) => (this.arrived.load = load));
    }
  }
}
