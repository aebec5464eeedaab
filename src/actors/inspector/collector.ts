// Empties the actors' taps, keeps what they hold, and makes of it what pages want to hear.

import type { NativeMemory } from "../../transport/os/native-memory.ts";
import { type ActorName, type WorkerName, workerNames, workersFor } from "../registry.ts";
import type { ActorContext } from "../runtime/actor.ts";
import { slotOf } from "../runtime/shared-words.ts";
import { ContextNames } from "./context-names.ts";
import type { MessageRecord, PictureRecord, Topic } from "./feed.ts";
import { Events } from "./events.ts";
import { History } from "./history.ts";
import { Latencies } from "./latencies.ts";
import { PastCommands } from "./past-commands.ts";
import { pastPictures } from "./pictures.ts";
import { ResourceUses } from "./resource-uses.ts";
import { Stories, type Story, telling } from "./stories.ts";
import type { Fresh } from "./subscriber.ts";
import { TapReader } from "./tap-reader.ts";
import type { Tracer } from "./trace/tracer.ts";

/** Records of another topic that one batch has. */
export const othersMax = 1000;

export class Collector {
  readonly history: History;
  readonly latencies: Latencies;
  readonly uses: ResourceUses;
  readonly past: PastCommands;
  /** By slot; the supervisor is among them. */
  readonly readers: readonly TapReader[];
  private readonly events: Events;
  private readonly stories: Stories;
  private readonly ended: Story[] = [];
  private readonly contextNames: ContextNames;
  /** By slot, the records that were dropped until the last look. */
  private readonly droppedOf: number[] = [];
  /** By slot, when the actor that was there died, where that was heard of. */
  private readonly diedNs: number[] = [];
  private wasWanted = false;
  /** Commands that were not told, as of the last turn. */
  private folded = 0;
  private readonly wanted: readonly WorkerName[];
  /** Records so far. */
  records = 0;

  constructor(
    { config, machines }: ActorContext,
    private readonly area: NativeMemory,
  ) {
    this.wanted = workersFor(config);
    const readers: TapReader[] = [];
    // Of all that there may be: one that comes later writes where it is expected.
    for (const name of ["supervisor", ...workerNames] as const)
      readers[slotOf(name)] = new TapReader(area, name, slotOf(name), machines);
    this.readers = readers;
    this.history = new History(config.inspectHistoryBytes, config.inspectHistorySeconds);
    this.latencies = new Latencies(this.history, readers);
    this.uses = new ResourceUses(this.history, readers);
    this.events = new Events(this.history, readers);
    this.contextNames = new ContextNames(this.history);
    this.past = new PastCommands(this.history, readers, this.contextNames);
    this.stories = new Stories(this.history, readers, this.contextNames, (story) => this.ended.push(story));
    for (const reader of readers) reader.switch(true);
  }

  /** The actors that the settings ask for, and those that somebody has asked for since. */
  get names(): readonly ActorName[] {
    const isThere = (name: WorkerName): boolean =>
      this.wanted.includes(name) || this.readerOf(name).thread !== 0;
    return ["supervisor", ...workerNames.filter(isThere)];
  }

  get dropped(): number {
    return this.readers.reduce((sum, reader) => sum + reader.dropped, 0);
  }

  /** Commands of all queues that were counted and not told. */
  private get untold(): number {
    return this.readers.reduce((sum, { untoldInAll }) => sum + untoldInAll, 0);
  }

  nameOfContext(id: number): string {
    return this.contextNames.of(id);
  }

  readerOf(name: ActorName): TapReader {
    return this.readers[slotOf(name)]!;
  }

  /** Takes what is new, and returns what of it `wants` somebody to hear of. Tracers hear of everything. */
  collect(ns: number, wants: (topic: Topic) => boolean, tracers: readonly Tracer[]): Fresh {
    const fresh: Fresh = { ns, droppedRecords: this.dropped };
    const opened = new Map<string, MessageRecord>();
    const [commands, messages, transitions, pictures] = (
      ["commands", "messages", "transitions", "pictures"] as const
    ).map(wants);
    if (messages) fresh.messages = [];
    if (transitions) fresh.transitions = [];
    if (pictures) fresh.pictures = [];
    const { untold } = this;
    const folded = untold - this.folded;
    this.folded = untold;
    if (commands && !this.wasWanted) this.stories.forget();
    this.wasWanted = commands!;
    // What came of a message comes after it, as actors that start first are told by those that start later.
    for (const reader of this.readers) reader.mark();
    for (const reader of this.readers.toReversed()) {
      this.records += reader.take(
        (ring, from) => {
          const at = this.history.add(ring, from, reader.slot);
          this.latencies.add(at);
          this.uses.add(at);
          if (commands) this.stories.add(at);
          else this.contextNames.note(at);
          const picture = this.events.picture(at);
          for (const tracer of tracers) tracer.add(at, picture);
          if (pictures) push(fresh.pictures!, picture);
          if (messages) push(fresh.messages!, this.events.message(at, opened));
          if (transitions) push(fresh.transitions!, this.events.transition(at));
        },
        () => this.noteDeath(reader, ns, commands!, tracers),
      );
      this.noteLosses(reader, tracers);
    }
    this.history.forget(ns);
    if (commands) {
      fresh.commands = this.ended.splice(0).map(telling);
      fresh.commandsFolded = folded;
    }
    return fresh;
  }

  /** The actor has died at `ns`. What it has told may still be in its tap. */
  died(name: ActorName, ns: number): void {
    this.diedNs[slotOf(name)] = ns;
  }

  /** Those of the history, oldest first. */
  pictures(): PictureRecord[] {
    return pastPictures(this.history, this.readers);
  }

  close(): void {
    for (const reader of this.readers) reader.switch(false);
    this.history.close();
    this.area.unmap();
  }

  /** All that an actor has told is taken, and a successor tells the rest. */
  private noteDeath({ slot }: TapReader, ns: number, isWanted: boolean, tracers: readonly Tracer[]): void {
    const at = this.history.addDeath(slot, this.diedNs[slot] ?? ns);
    delete this.diedNs[slot];
    if (isWanted) this.stories.add(at);
    for (const tracer of tracers) tracer.die(slot, this.history.timeAt(at));
  }

  /** What was dropped was so after what has just been taken, which left no room. */
  private noteLosses({ slot, dropped }: TapReader, tracers: readonly Tracer[]): void {
    const records = dropped - (this.droppedOf[slot] ?? 0);
    this.droppedOf[slot] = dropped;
    if (records > 0) for (const tracer of tracers) tracer.lose(slot, records);
  }
}

/** Records that there are, up to as many as a batch may have. */
function push<T>(records: T[], record: T | null): void {
  if (record !== null && records.length < othersMax) records.push(record);
}
