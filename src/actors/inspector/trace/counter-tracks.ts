// Counters that nobody tells of as they change: looked at once a turn, and written where they have.

import type { TraceWriter } from "../../../transport/wire/perfetto/trace-writer.ts";
import type { TapReader } from "../tap-reader.ts";
import type { Tracks } from "./tracks.ts";

export class CounterTracks {
  private readonly last = new Map<string, number>();

  constructor(
    private readonly writer: TraceWriter,
    private readonly tracks: Tracks,
    private readonly readers: readonly TapReader[],
  ) {}

  turn(ns: number): void {
    let dropped = 0;
    let untold = 0;
    for (const reader of this.readers) {
      if (reader === undefined) continue;
      dropped += reader.dropped;
      untold += reader.untoldInAll;
      this.count(`${reader.actor} mailbox`, this.mailbox(reader), ns);
    }
    this.count("dropped records", dropped, ns);
    this.count("commands not told", untold, ns);
  }

  /** Messages on their way to an actor. */
  private mailbox(reader: TapReader): number {
    let waiting = 0;
    for (const peer of this.readers) {
      if (peer === undefined || peer === reader) continue;
      waiting += Math.max(0, (peer.sentTo(reader.slot) - reader.takenFrom(peer.slot)) | 0);
    }
    return waiting;
  }

  private count(name: string, value: number, ns: number): void {
    if (this.last.get(name) === value) return;
    this.last.set(name, value);
    this.writer.counter({ ns, track: this.tracks.ofCounter(name), value });
  }
}
