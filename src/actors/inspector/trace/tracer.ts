// Makes a trace of the taps' records, as they are read.

import { TraceWriter } from "../../../transport/wire/perfetto/trace-writer.ts";
import { Field, RecordKind } from "../../runtime/tap/layout.ts";
import type { PictureRecord } from "../feed.ts";
import { type History, kindIn, slotIn } from "../history.ts";
import type { TapReader } from "../tap-reader.ts";
import { CommandTracks } from "./command-tracks.ts";
import { CounterTracks } from "./counter-tracks.ts";
import { Draws } from "./draws.ts";
import { FenceTracks } from "./fence-tracks.ts";
import { FrameTracks } from "./frame-tracks.ts";
import { ThreadTracks } from "./thread-tracks.ts";
import { Tracks } from "./tracks.ts";

/** What has an actor give up all that it had under way. */
const endings: ReadonlySet<string> = new Set(["reset"]);

export class Tracer {
  readonly draws = new Draws();
  private readonly writer: TraceWriter;
  private readonly tracks: Tracks;
  private readonly threads: ThreadTracks;
  private readonly commands: CommandTracks;
  private readonly fences: FenceTracks;
  private readonly frames: FrameTracks;
  private readonly counters: CounterTracks;
  /** Of the records so far: the latest may be younger than the turn that takes them. */
  private lastNs = 0;

  /** `life` is that of the actor that writes: its successors may go on in the same file. */
  constructor(
    private readonly history: History,
    private readonly readers: readonly TapReader[],
    life: number,
    ns: number,
  ) {
    this.writer = new TraceWriter(life, ns, Date.now());
    this.tracks = new Tracks(this.writer, life);
    this.threads = new ThreadTracks(this.writer, this.tracks, history, readers);
    this.commands = new CommandTracks(this.writer, this.tracks, history, readers, this.draws);
    this.fences = new FenceTracks(this.writer, this.tracks, history);
    this.frames = new FrameTracks(this.writer, this.tracks, this.draws);
    this.counters = new CounterTracks(this.writer, this.tracks, readers);
  }

  /** Takes the kept record at word `at`, and what it says of pictures. */
  add(at: number, picture: PictureRecord | null): void {
    const { words } = this.history;
    const [kind, slot, ns] = [kindIn(words[at]!), slotIn(words[at]!), this.history.timeAt(at)];
    this.lastNs = Math.max(this.lastNs, ns);
    this.threads.add(kind, slot, at, ns);
    this.commands.add(kind, slot, at, ns);
    this.fences.add(kind, slot, at, ns);
    if (picture !== null) this.frames.add(picture);
    if (kind === RecordKind.wrote) this.draws.wrote(words[at + 4]!, slot, words[at + Field.command]!);
    if (kind !== RecordKind.received) return;
    if (endings.has(this.readers[slot]!.names.nameOf(words[at + 6]!))) this.reset(slot, ns);
  }

  /** So many records of the actor of `slot` are lost, after all that were taken. */
  lose(slot: number, records: number): void {
    this.threads.lose(slot, records, this.lastNs);
    this.giveUp(slot, this.lastNs, "records were dropped");
  }

  /** The actor of `slot` has died at `ns`, and what comes next of it is a successor's. */
  die(slot: number, ns: number): void {
    this.lastNs = Math.max(this.lastNs, ns);
    this.giveUp(slot, this.lastNs, "its process died");
  }

  private giveUp(slot: number, ns: number, why: string): void {
    this.commands.forget(slot, ns, why);
    if (this.readers[slot]!.actor === "ctrl-queue") this.fences.forget(ns, why);
    if (this.readers[slot]!.actor === "display") this.frames.forget(ns, why);
  }

  /** All records of this turn are there. Returns what they have made of the trace. */
  turn(ns: number): Uint8Array<ArrayBuffer> {
    this.frames.turn();
    this.counters.turn(ns);
    return this.writer.take();
  }

  /** The last packet of a trace: why there is no more. */
  mark(ns: number, why: string): Uint8Array<ArrayBuffer> {
    const track = this.tracks.ofProcess;
    this.writer.take();
    this.writer.instant({ ns, track, name: `the trace ends: ${why}` });
    return this.writer.take();
  }

  /** A device that is reset has neither commands nor fences. */
  private reset(slot: number, ns: number): void {
    const why = "the device was reset";
    this.commands.forget(slot, ns, why);
    if (this.readers[slot]!.actor !== "ctrl-queue") return;
    this.fences.forget(ns, why);
    this.draws.reset();
  }
}
