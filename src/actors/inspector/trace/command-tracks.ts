// A track a slot of each queue: commands in flight at once lie beside each other, each a slice from the kick to the moment
// when the guest sees the answer, in which it waits, runs, waits for its fence, and waits for its answer to be published.

import { decodeRequest, responseName } from "../../../transport/wire/virtio-gpu/decode.ts";
import type { Annotations, TraceWriter } from "../../../transport/wire/perfetto/trace-writer.ts";
import { Field, RecordKind, requestBytesMax } from "../../runtime/tap/layout.ts";
import type { History } from "../history.ts";
import { moveAt } from "../stories.ts";
import type { TapReader } from "../tap-reader.ts";
import type { Draws } from "./draws.ts";
import { type Slot, Slots } from "./slots.ts";
import type { Tracks } from "./tracks.ts";

interface Open {
  readonly number: number;
  readonly slot: Slot;
  readonly track: number;
  /** When it was put off, until it is known for what; else 0. */
  parkedNs: number;
  response: number;
  responseBytes: number;
}

interface Queue {
  readonly slots: Slots;
  readonly name: string;
  kickNs: number;
  /** Commands without an answer, by number, and those whose answer the guest does not see yet. */
  readonly open: Map<number, Open>;
  unseen: Open[];
}

export class CommandTracks {
  private readonly queues = new Map<number, Queue>();

  constructor(
    private readonly writer: TraceWriter,
    private readonly tracks: Tracks,
    private readonly history: History,
    private readonly readers: readonly TapReader[],
    private readonly draws: Draws,
  ) {}

  /** Takes the record at word `at`, of the actor of `slot`. */
  add(kind: number, slot: number, at: number, ns: number): void {
    const { words } = this.history;
    if (kind === RecordKind.kicked) this.queueOf(slot).kickNs = ns;
    else if (kind === RecordKind.taken) this.take(this.queueOf(slot), slot, at, ns);
    else if (kind === RecordKind.published) this.publish(slot, ns, words[at + 5]! !== 0);
    else {
      const queue = this.queues.get(slot);
      const command = queue?.open.get(words[at + Field.command]!);
      if (command !== undefined) this.go(queue!, command, kind, slot, at, ns);
    }
  }

  /** Commands of the actor of `slot` that go on have no end that anybody knows of. */
  forget(slot: number, ns: number, why: string): void {
    const queue = this.queues.get(slot);
    if (queue === undefined) return;
    queue.kickNs = 0;
    for (const command of [...queue.open.values(), ...queue.unseen]) this.end(command, ns, { lost: why });
    queue.open.clear();
    queue.unseen = [];
    this.counted(queue, ns);
  }

  private take(queue: Queue, slot: number, at: number, ns: number): void {
    const { words } = this.history;
    const number = words[at + Field.command]!;
    const bytes = words[at + 4]!;
    const kept = new Uint8Array(words.buffer, words.byteOffset + (at + Field.request) * 4, requestBytesMax);
    const request = decodeRequest(kept.subarray(0, bytes));
    // Of whoever counts wrong, so that a slot is not taken for good.
    const old = queue.open.get(number);
    if (old !== undefined) this.end(old, ns, { lost: "another one has its number" });
    const beginNs = queue.kickNs === 0 ? ns : queue.kickNs;
    queue.kickNs = 0;
    const place = queue.slots.take(beginNs);
    const track = place === null ? 0 : this.tracks.in(queue.name, `slot ${place.number}`, place.number);
    if (place === null || track === 0) return;
    queue.open.set(number, { number, slot: place, track, parkedNs: 0, response: 0, responseBytes: 0 });
    const { name, flags, fields } = request;
    const annotations = { number, bytes, ...(flags.length > 0 ? { flags: flags.join(" ") } : {}), ...fields };
    const flows = this.draws.flowsOf(slot, number, request);
    this.writer.begin({ ns: beginNs, track, name, annotations, flows });
    if (beginNs < ns) {
      this.writer.begin({ ns: beginNs, track, name: "wait" });
      this.writer.end({ ns, track });
    }
    this.writer.begin({ ns, track, name: "run" });
    this.counted(queue, ns);
  }

  private go(queue: Queue, command: Open, kind: number, slot: number, at: number, ns: number): void {
    const { words } = this.history;
    const { track } = command;
    switch (kind) {
      case RecordKind.parked:
        this.writer.end({ ns, track });
        command.parkedNs = ns;
        return;
      case RecordKind.moved: {
        const { machine, to, id } = moveAt(words, at, this.readers[slot]!);
        if (machine !== "fence" || (to !== "pending" && to !== "failed")) return;
        this.waits(command, "fence", { waitsFor: id });
        return;
      }
      case RecordKind.completed:
        this.waits(command, "parked");
        this.writer.end({ ns, track });
        this.writer.begin({ ns, track, name: "answer" });
        command.response = words[at + 4]!;
        command.responseBytes = words[at + 5]!;
        queue.open.delete(command.number);
        queue.unseen.push(command);
        return;
    }
  }

  /** Says what a command that was put off waits for, unless that was said, or it was not put off. */
  private waits(command: Open, name: string, annotations?: Annotations): void {
    const { track, parkedNs } = command;
    if (parkedNs === 0) return;
    command.parkedNs = 0;
    this.writer.begin({ ns: parkedNs, track, name, annotations });
  }

  private publish(slot: number, ns: number, interrupted: boolean): void {
    const queue = this.queues.get(slot);
    if (queue === undefined || queue.unseen.length === 0) return;
    for (const command of queue.unseen) {
      const { response, responseBytes } = command;
      this.end(command, ns, { response: responseName(response), responseBytes, interrupted });
    }
    queue.unseen = [];
    this.counted(queue, ns);
  }

  /** Ends what the command does now, and the command. */
  private end(command: Open, ns: number, annotations: Annotations): void {
    const { track, slot } = command;
    this.waits(command, "parked");
    this.writer.end({ ns, track });
    this.writer.end({ ns, track, annotations });
    slot.freeNs = ns;
  }

  private counted({ name, open, unseen }: Queue, ns: number): void {
    const track = this.tracks.ofCounter(`${name} in flight`);
    this.writer.counter({ ns, track, value: open.size + unseen.length });
  }

  private queueOf(slot: number): Queue {
    const known = this.queues.get(slot);
    if (known !== undefined) return known;
    const name = `${this.readers[slot]!.actor} commands`;
    const made: Queue = { name, slots: new Slots(), kickNs: 0, open: new Map(), unseen: [] };
    this.queues.set(slot, made);
    return made;
  }
}
