// A track an actor: when it was awake and asleep, the messages that it sent and took, with arrows between the two.

import type { TraceWriter } from "../../../transport/wire/perfetto/trace-writer.ts";
import { Field, RecordKind } from "../../runtime/tap/layout.ts";
import type { History } from "../history.ts";
import { readFields } from "../message-reader.ts";
import type { TapReader } from "../tap-reader.ts";
import { messageFlow } from "./flows.ts";
import type { Tracks } from "./tracks.ts";

export class ThreadTracks {
  /** By slot, since when each is awake: 0 where that was not seen. */
  private readonly awakeSince: number[] = [];

  constructor(
    private readonly writer: TraceWriter,
    private readonly tracks: Tracks,
    private readonly history: History,
    private readonly readers: readonly TapReader[],
  ) {}

  /** Takes the record at word `at`, of the actor of `slot`. */
  add(kind: number, slot: number, at: number, ns: number): void {
    if (kind === RecordKind.slept) this.slept(slot, at, ns);
    else if (kind === RecordKind.sent || kind === RecordKind.received) {
      this.message(kind === RecordKind.sent, slot, at, ns);
    }
  }

  /** So many records of the actor are lost. */
  lose(slot: number, records: number, ns: number): void {
    this.awakeSince[slot] = 0;
    const name = "records dropped";
    this.writer.instant({ ns, track: this.trackOf(slot), name, annotations: { records } });
  }

  private slept(slot: number, at: number, ns: number): void {
    const track = this.trackOf(slot);
    const since = this.history.timeAt(at, Field.first);
    const awakeSince = this.awakeSince[slot] ?? 0;
    if (awakeSince !== 0) this.slice(track, "awake", awakeSince, since);
    this.slice(track, "asleep", since, ns);
    this.awakeSince[slot] = ns;
  }

  private slice(track: number, name: string, from: number, to: number): void {
    this.writer.begin({ ns: from, track, name });
    this.writer.end({ ns: to, track });
  }

  private message(isSent: boolean, slot: number, at: number, ns: number): void {
    const { words } = this.history;
    const reader = this.readers[slot]!;
    const [other, number, type, fields] = words.subarray(at + 4, at + 8);
    const [from, to] = isSent ? [slot, other!] : [other!, slot];
    const name = `${isSent ? "send" : "take"} ${reader.names.nameOf(type!)}`;
    const peer = this.readers[other!]?.actor ?? "";
    const annotations: Record<string, number | string | boolean> = {
      [isSent ? "to" : "from"]: peer,
      number: number!,
    };
    if (isSent) {
      for (const field of readFields(words, at + 8, fields!, reader.names))
        annotations[field.name] = field.value;
    }
    const flows = [messageFlow(from, to, number!)];
    this.writer.instant({ ns, track: this.trackOf(slot), name, annotations, flows });
  }

  private trackOf(slot: number): number {
    const reader = this.readers[slot]!;
    return this.tracks.ofThread(reader.actor, reader.thread);
  }
}
