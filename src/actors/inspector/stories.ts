// Joins records of commands: from the kick to the interrupt, with fences, states and refusals, one story a command.

import { decodeRequest, responseName } from "../../transport/wire/virtio-gpu/decode.ts";
import { errorCodeOf, isRefused } from "../machines/table.ts";
import { Field, RecordKind, requestBytesMax } from "../runtime/tap/layout.ts";
import type { ContextNames } from "./context-names.ts";
import type { CommandRecord, Move, Written } from "./feed.ts";
import { deathKind, type History, kindIn, slotIn } from "./history.ts";
import type { TapReader } from "./tap-reader.ts";

/** Commands of one queue that have no end: what ended them was dropped. */
const openMax = 4096;

/** A command as it is known so far; {@link tell} makes it readable. */
export interface Story extends Omit<CommandRecord, "id" | "type" | "flags" | "fields" | "response"> {
  number: number;
  response: number;
}

interface Queue {
  kickNs: number;
  open: Map<number, Story>;
  unseen: Story[];
}

export class Stories {
  private readonly queues = new Map<number, Queue>();

  /** `done` is called with each command that the guest can see the answer of, or that its process has died with. */
  constructor(
    private readonly history: History,
    private readonly readers: readonly TapReader[],
    private readonly names: ContextNames,
    private readonly done: (story: Story) => void,
  ) {}

  /** Takes the kept record at word `at`. */
  add(at: number): void {
    const { words } = this.history;
    const slot = slotIn(words[at]!);
    let queue = this.queues.get(slot);
    if (queue === undefined) this.queues.set(slot, (queue = { kickNs: 0, open: new Map(), unseen: [] }));
    const ns = this.history.timeAt(at);
    const kind = kindIn(words[at]!);
    if (kind === RecordKind.kicked) queue.kickNs = ns;
    else if (kind === RecordKind.taken) this.take(queue, slot, at, ns);
    else if (kind === RecordKind.published) this.publish(queue, ns, words[at + 5]! !== 0);
    else if (kind === deathKind) this.lose(queue, ns);
    else {
      if (kind === RecordKind.completed) this.names.note(at);
      const story = queue.open.get(words[at + Field.command]!);
      if (story !== undefined) this.go(queue, story, kind, slot, at, ns);
    }
  }

  /** Nothing is known of what was before. */
  forget(): void {
    this.queues.clear();
  }

  /** Stories that go on, as when a fence is waited for. */
  open(): Story[] {
    return [...this.queues.values()].flatMap(({ open }) => [...open.values()]);
  }

  private take(queue: Queue, slot: number, at: number, ns: number): void {
    const { words } = this.history;
    const number = words[at + Field.command]!;
    const bytes = words[at + 4]!;
    const kept = new Uint8Array(words.buffer, words.byteOffset + (at + Field.request) * 4, requestBytesMax);
    queue.open.set(number, {
      ...{ queue: this.readers[slot]?.actor ?? "", number, bytes, request: kept.slice(0, bytes) },
      contextName: this.names.note(at),
      ...{ kickNs: queue.kickNs, takenNs: ns, parkedNs: 0, completedNs: 0, publishedNs: 0, lostNs: 0 },
      ...{
        isInterrupted: false,
        response: 0,
        responseBytes: 0,
        fences: [],
        waitsFor: 0,
        moves: [],
        writes: [],
      },
    });
    queue.kickNs = 0;
    if (queue.open.size > openMax) queue.open.delete(queue.open.keys().next().value!);
  }

  private publish(queue: Queue, ns: number, isInterrupted: boolean): void {
    for (const story of queue.unseen.splice(0)) {
      story.publishedNs = ns;
      story.isInterrupted = isInterrupted;
      this.done(story);
    }
  }

  /** The process has died with all that it had under way. */
  private lose(queue: Queue, ns: number): void {
    const lost = [...queue.unseen.splice(0), ...queue.open.values()];
    queue.open.clear();
    queue.kickNs = 0;
    for (const story of lost) {
      story.lostNs = ns;
      this.done(story);
    }
  }

  private go(queue: Queue, story: Story, kind: number, slot: number, at: number, ns: number): void {
    const { words } = this.history;
    switch (kind) {
      case RecordKind.parked:
        story.parkedNs = ns;
        return;
      case RecordKind.fenceMade:
        story.fences.push(words[at + 4]!);
        return;
      case RecordKind.wrote:
        story.writes.push(writtenAt(words, at));
        return;
      case RecordKind.moved:
      case RecordKind.refused: {
        const move = moveAt(words, at, this.readers[slot]!);
        if (move.machine === "fence" && (move.to === "pending" || move.to === "failed")) {
          story.waitsFor = move.id;
        }
        story.moves.push(move);
        return;
      }
      case RecordKind.completed:
        story.completedNs = ns;
        story.response = words[at + 4]!;
        story.responseBytes = words[at + 5]!;
        queue.open.delete(story.number);
        queue.unseen.push(story);
        return;
    }
  }
}

/** What happened to an entity, of a record that says so. */
export function moveAt(words: Uint32Array, at: number, reader: TapReader): Move {
  const [number, from, event, to, id] = words.subarray(at + Field.first, at + Field.first + 5);
  const machine = reader.machine(number!);
  const refusal = isRefused(to!);
  return {
    machine: machine?.name ?? "",
    id: id!,
    event: machine?.events[event!] ?? "",
    from: machine?.states[from!] ?? "",
    to: refusal ? responseName(errorCodeOf(to!)) : (machine?.states[to!] ?? ""),
    isRefused: refusal,
  };
}

/** A command that is made readable when somebody wants to read it, and once. */
export type Telling = () => CommandRecord;

export function telling(story: Story): Telling {
  let told: CommandRecord | null = null;
  return () => (told ??= tell(story));
}

function writtenAt(words: Uint32Array, at: number): Written {
  const [x, y, width, height] = words.subarray(at + Field.request, at + Field.request + 4);
  return { resource: words[at + Field.first]!, x: x!, y: y!, width: width!, height: height! };
}

/** A story for people. */
export function tell({ number, request, response, ...story }: Story): CommandRecord {
  const { name, flags, fields } = decodeRequest(request);
  return {
    ...{ id: `${story.queue}:${number}`, type: name, flags, fields, request },
    response: response === 0 ? "" : responseName(response),
    ...story,
  };
}
