// The commands that the log shows: those of the history first, then what the feed tells.

import { signal } from "@preact/signals";
import type { Batch, CommandRecord } from "../feed.ts";
import { pastCommands } from "./command-history.ts";
import { isOver } from "./command-text.ts";
import { Ring } from "./ring.ts";
import { feedError, filterCommands, onBatch, stopCommands } from "./store.ts";

const keptMax = 20_000;
const historyMax = 1_000;
/** How long the feed has to begin before the history is asked for: what happens between the two would be in neither. */
const beginMs = 200;

export class CommandStore {
  readonly ring = new Ring<CommandRecord>(keptMax);
  /** Changes whenever the ring does. */
  readonly version = signal(0);
  readonly isPaused = signal(false);
  /** Those that came while it was paused, and that the feed or the filter's server left out. */
  readonly missed = signal(0);
  readonly folded = signal(0);
  private filter = "";
  /** What the feed has told while the history is under way; null when that is there. */
  private early: CommandRecord[] | null = null;
  private asked = 0;

  /** Follows what `filter` holds for, from a list without anything, until what is returned is called. */
  follow(filter: string): () => void {
    this.filter = filter;
    const stop = onBatch((batch) => this.take(batch));
    filterCommands(filter);
    void this.restart();
    return () => {
      stop();
      stopCommands();
    };
  }

  /** Begins again with the history, as after another server has started. */
  async restart(): Promise<void> {
    const number = ++this.asked;
    this.ring.clear();
    this.early = [];
    this.missed.value = 0;
    this.folded.value = 0;
    let past: CommandRecord[] = [];
    try {
      await new Promise((resolve) => setTimeout(resolve, beginMs));
      if (number !== this.asked) return;
      past = await pastCommands(this.filter, historyMax);
    } catch (error) {
      // A filter that makes no sense, or no server: the line above the list says so.
      if (number === this.asked) feedError.value = (error as Error).message;
    }
    if (number !== this.asked) return;
    // What goes on comes again, whole, when it has ended.
    const ended = past.filter(isOver);
    for (const one of ended) this.ring.push(one);
    const known = new Set(ended.map(({ id }) => id));
    for (const one of this.early) if (!known.has(one.id)) this.ring.push(one);
    this.early = null;
    this.version.value++;
  }

  pause(isPaused: boolean): void {
    this.isPaused.value = isPaused;
    if (!isPaused) void this.restart();
  }

  private take({ commands, commandsFolded = 0 }: Batch): void {
    if (commands === undefined && commandsFolded === 0) return;
    if (this.isPaused.peek()) {
      this.missed.value += (commands?.length ?? 0) + commandsFolded;
      return;
    }
    this.folded.value += commandsFolded;
    for (const one of commands ?? []) (this.early ?? this.ring).push(one);
    if (this.early === null) this.version.value++;
    else if (this.early.length > keptMax) this.early.splice(0, this.early.length - keptMax);
  }
}
