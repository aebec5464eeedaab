// A track a timeline of fences, the device's own and each ring of a context: from when the renderer was given a fence until
// it was done.

import type { TraceWriter } from "../../../transport/wire/perfetto/trace-writer.ts";
import { Field, RecordKind } from "../../runtime/tap/layout.ts";
import type { History } from "../history.ts";
import { commandFlow } from "./flows.ts";
import { type Slot, Slots } from "./slots.ts";
import type { Tracks } from "./tracks.ts";

const timelinesMax = 1024;

interface Timeline {
  readonly name: string;
  readonly slots: Slots;
  /** Fences that are out, oldest first. */
  readonly out: { fence: number; slot: Slot; track: number }[];
}

export class FenceTracks {
  private readonly timelines = new Map<string, Timeline>();
  private count = 0;

  constructor(
    private readonly writer: TraceWriter,
    private readonly tracks: Tracks,
    private readonly history: History,
  ) {}

  /** Takes the record at word `at`, of the actor of `slot`. */
  add(kind: number, slot: number, at: number, ns: number): void {
    if (kind !== RecordKind.fenceMade && kind !== RecordKind.fenceRetired) return;
    const { words } = this.history;
    const [fence, context, ring, isOfContext] = words.subarray(at + 4, at + 8);
    const name = isOfContext ? `context ${context} ring ${ring}` : "device";
    const timeline = this.timelineOf(name);
    if (kind === RecordKind.fenceMade) {
      const command = words[at + Field.command]!;
      this.made(timeline, fence!, command === 0 ? [] : [commandFlow(slot, command)], ns);
    } else this.retire(timeline, ns, (one) => ((fence! - one) | 0) >= 0);
    this.counted(ns);
  }

  /** What is out has no end that anybody knows of. */
  forget(ns: number, why: string): void {
    for (const timeline of this.timelines.values()) this.retire(timeline, ns, () => true, why);
    this.counted(ns);
  }

  private made(timeline: Timeline, fence: number, flows: readonly number[], ns: number): void {
    const slot = timeline.slots.take(ns);
    const track = slot === null ? 0 : this.tracks.in("fences", timeline.name, slot.number);
    if (slot === null || track === 0) return;
    timeline.out.push({ fence, slot, track });
    this.count++;
    this.writer.begin({ ns, track, name: "fence", annotations: { fence }, flows });
  }

  /** Ends those of a timeline that are done. */
  private retire(timeline: Timeline, ns: number, isDone: (fence: number) => boolean, lost?: string): void {
    const { out } = timeline;
    while (out.length > 0 && isDone(out[0]!.fence)) {
      const { slot, track } = out.shift()!;
      this.writer.end({ ns, track, annotations: lost === undefined ? undefined : { lost } });
      slot.freeNs = ns;
      this.count--;
    }
  }

  private counted(ns: number): void {
    this.writer.counter({ ns, track: this.tracks.ofCounter("fences in flight"), value: this.count });
  }

  private timelineOf(name: string): Timeline {
    const known = this.timelines.get(name);
    if (known !== undefined) return known;
    if (this.timelines.size >= timelinesMax) this.forgetIdle();
    const made: Timeline = { name, slots: new Slots(), out: [] };
    this.timelines.set(name, made);
    return made;
  }

  /** Makes room for a guest's next context. Who has fences out stays: there are no more of them than commands in flight. */
  private forgetIdle(): void {
    for (const [name, { out }] of this.timelines)
      if (out.length === 0) return void this.timelines.delete(name);
  }
}
