// Where in a recording a play has to begin to get to a goal.

import type { Entry } from "../../src/transport/wire/record/entries.ts";
import type { Recording } from "../../src/transport/wire/record/recording.ts";

/** Where a play ends; with nothing, where the recording does. */
export interface Goal {
  /** The last command, or the last frame, counted from 0. */
  readonly lastCommand?: number | undefined;
  readonly lastFrame?: number | undefined;
  /** Nanoseconds since the recording began: all that was done by then. */
  readonly lastTime?: number | undefined;
}

export class Places {
  private readonly memories = new Map<number, Entry | null>();

  /** `from` tells the entries, with null among them where there is no more yet. */
  constructor(
    private readonly recording: Recording,
    private readonly from: { entries(chunk: number): Iterable<Entry | null> } = recording,
  ) {}

  /** The chunk to begin with: that of the last keyframe with which all is known, where a goal is far enough. */
  firstChunkFor(goal: Goal): number {
    const { recording } = this;
    const chunk = this.chunkOf(goal);
    for (let at = recording.keyframeBefore(chunk); at > 0; at = recording.keyframeBefore(at - 1)) {
      const [first] = recording.read(at);
      if (first?.kind === "keyframe" && first.contexts + first.rendered === 0) return at;
    }
    return 0;
  }

  /** The guest's memory comes first, which a keyframe need not tell. */
  *entriesFrom(chunk: number): Generator<Entry | null> {
    const memory = chunk > 0 ? this.memoryBefore(chunk - 1) : null;
    if (memory !== null) yield memory;
    yield* this.from.entries(chunk);
  }

  /** The last that is said of the guest's memory in chunks up to this one. */
  private memoryBefore(chunk: number): Entry | null {
    let found: Entry | null | undefined;
    let at = chunk;
    for (; at >= 0 && found === undefined; at--) {
      if (this.memories.has(at)) return this.memories.get(at)!;
      found = this.recording.read(at).findLast(({ kind }) => kind === "memory");
    }
    this.memories.set(chunk, found ?? null);
    return found ?? null;
  }

  /** About which command a goal is at: exact for commands, else where its chunk begins. */
  commandOf(goal: Goal): number {
    return goal.lastCommand ?? this.recording.chunks[this.chunkOf(goal)]?.commandsBefore ?? 0;
  }

  /** The chunk that a goal lies in; -1 where there is none. */
  private chunkOf({ lastCommand, lastFrame, lastTime }: Goal): number {
    const { chunks } = this.recording;
    if (lastTime !== undefined) return chunks.findLastIndex(({ firstTime }) => firstTime <= lastTime);
    if (lastCommand !== undefined) {
      return chunks.findLastIndex(({ commandsBefore }) => commandsBefore <= lastCommand);
    }
    return lastFrame === undefined ? -1 : this.recording.chunkOfFrame(lastFrame);
  }
}
