// Commands of the history. First it is found out which are wanted, by their numbers alone: of a hundred thousand few are, and
// whoever tells all of them keeps the inspector for a second.

import { type FieldValue, requestName } from "../../transport/wire/virtio-gpu/decode.ts";
import { HeaderFlag } from "../../transport/wire/virtio-gpu/protocol.ts";
import type { Filterable, Written } from "../command-filter.ts";
import { Field, RecordKind } from "../runtime/tap/layout.ts";
import type { ContextNames } from "./context-names.ts";
import type { CommandRecord } from "./feed.ts";
import type { Filter } from "./filter.ts";
import { deathKind, type History, kindIn, slotIn } from "./history.ts";
import { Stories, type Story, tell } from "./stories.ts";
import type { TapReader } from "./tap-reader.ts";

/** The number of a command, and of its queue. */
const keyOf = (words: Uint32Array, at: number): number =>
  slotIn(words[at]!) * 2 ** 32 + words[at + Field.command]!;
const slotOf = (key: number): number => Math.floor(key / 2 ** 32);

export class PastCommands {
  constructor(
    private readonly history: History,
    private readonly readers: readonly TapReader[],
    private readonly names: ContextNames,
  ) {}

  /** The last `max` that `filter` holds for, oldest first; those that go on are the last. */
  last(filter: Filter, max: number): CommandRecord[] {
    const { open, ended } = this.find(filter, filter.isEarly ? max : Infinity);
    const { done, left } = this.stories(new Set([...open, ...ended]));
    return [...done, ...left].map(tell).filter(filter).slice(-max);
  }

  /** Those without an answer, oldest first: those that wait for something, and what each queue is in the midst of. */
  unanswered(): CommandRecord[] {
    const { open } = this.find(null, 0);
    return this.stories(open).left.map(tell);
  }

  /** Numbers of those that a filter may hold for: those that go on, and the last `max` of those that have ended. */
  private find(filter: Filter | null, max: number): { open: Set<number>; ended: Iterable<number> } {
    const { words } = this.history;
    const view = new TakenView(words, this.readers);
    const open = new Set<number>();
    const ended: number[] = [];
    const end = (key: number): void => {
      if (open.delete(key)) ended.push(key);
    };
    for (const at of this.history.all()) {
      const kind = kindIn(words[at]!);
      if (kind === RecordKind.taken) {
        if (filter === null || filter.early.holds(view.at(at))) open.add(keyOf(words, at));
      } else if (kind === RecordKind.completed) end(keyOf(words, at));
      else if (kind === deathKind)
        for (const key of [...open]) if (slotOf(key) === slotIn(words[at]!)) end(key);
      if (ended.length > 2 * max + 1024) ended.splice(0, ended.length - max);
    }
    return { open, ended: max === 0 ? [] : ended.slice(-max) };
  }

  private stories(wanted: ReadonlySet<number>): { done: Story[]; left: Story[] } {
    if (wanted.size === 0) return { done: [], left: [] };
    const { words } = this.history;
    const done: Story[] = [];
    const names = this.names.copy();
    const stories = new Stories(this.history, this.readers, names, (story) => done.push(story));
    for (const at of this.history.all()) {
      const kind = kindIn(words[at]!);
      if (kind !== RecordKind.taken || wanted.has(keyOf(words, at))) stories.add(at);
      else names.note(at);
    }
    return { done, left: stories.open() };
  }
}

/** A command as the record of its taking has it. */
class TakenView implements Filterable {
  readonly isError = false;
  readonly ranNs = 0;
  readonly waitedNs = 0;
  private from = 0;

  constructor(
    private readonly words: Uint32Array,
    private readonly readers: readonly TapReader[],
  ) {}

  at(at: number): this {
    this.from = at;
    return this;
  }

  get queue(): string {
    return this.readers[slotIn(this.words[this.from]!)]?.actor ?? "";
  }

  get number(): number {
    return this.words[this.from + Field.command]!;
  }

  get type(): string {
    return this.bytes < 4 ? "nothing" : requestName(this.words[this.from + Field.request]!);
  }

  get isFenced(): boolean {
    return this.bytes >= 8 && (this.words[this.from + Field.request + 1]! & HeaderFlag.FENCE) !== 0;
  }

  // What follows is looked for later, in what is told.
  readonly contextName = "";
  readonly writes: readonly Written[] = [];
  field(): FieldValue | undefined {
    return undefined;
  }

  private get bytes(): number {
    return this.words[this.from + 4]!;
  }
}
