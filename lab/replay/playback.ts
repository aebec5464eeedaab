// Plays a recording from where it has to begin to where it is to end, at its pace or as fast as it goes.

import { type CommandStep, type Step, stepsOf } from "../../src/recording/steps.ts";
import type { Recording } from "../../src/transport/wire/record/recording.ts";
import type { Player } from "./player.ts";

export interface Goal {
  /** The last command, or the last frame, counted from 0. */
  readonly lastCommand?: number | undefined;
  readonly lastFrame?: number | undefined;
  readonly isRealtime: boolean;
  /** Whether what comes before the goal need not be played: a keyframe near it says what that has led to. */
  readonly mayBeginLate: boolean;
}

export interface Progress {
  commands: number;
  frames: number;
  /** Nanoseconds since the recording began. */
  time: number;
}

export interface Watcher {
  /** A command was played, and is shown if it is watched. */
  played?(step: CommandStep, progress: Readonly<Progress>): void | Promise<void>;
  /** Called now and then. */
  progress?(progress: Readonly<Progress>): void;
}

/** So long at most passes without a look at the signals. */
const breathMs = 25;

/** The chunk to begin with: that of the last keyframe with which all is known, where a goal is far enough. */
function firstChunkFor(recording: Recording, { lastCommand, lastFrame }: Goal): number {
  const { chunks } = recording;
  let chunk = lastFrame === undefined ? -1 : recording.chunkOfFrame(lastFrame);
  if (lastCommand !== undefined) {
    chunk = chunks.findLastIndex(({ commandsBefore }) => commandsBefore <= lastCommand);
  }
  for (let at = recording.keyframeBefore(chunk); at > 0; at = recording.keyframeBefore(at - 1)) {
    const [first] = recording.read(at);
    if (first?.kind === "keyframe" && first.contexts + first.rendered === 0) return at;
  }
  return 0;
}

export class Playback {
  readonly progress: Progress = { commands: 0, frames: 0, time: 0 };
  private readonly numbers = new WeakMap<CommandStep, number>();

  constructor(
    private readonly recording: Recording,
    private readonly goal: Goal,
    private readonly signal: AbortSignal,
  ) {}

  /** Of a command that was played. */
  readonly numberOf = (step: CommandStep): number => this.numbers.get(step)!;

  /** Plays on `players` alike. Returns whether the goal was reached, or the recording has ended. */
  async run(players: readonly Player[], watcher: Watcher): Promise<boolean> {
    const { recording, goal, progress, signal } = this;
    const chunk = goal.mayBeginLate ? firstChunkFor(recording, goal) : 0;
    const { commandsBefore, framesBefore } = recording.chunks[chunk]!;
    progress.commands = commandsBefore;
    progress.frames = framesBefore;
    const began = performance.now();
    let breathed = began;
    let first: number | null = null;
    for (const step of stepsOf(this.entriesFrom(chunk))) {
      const time = timeOf(step);
      first ??= time;
      if (goal.isRealtime) await this.waitUntil(began + (time - first) / 1e6, players);
      if (performance.now() - breathed > breathMs) {
        watcher.progress?.(progress);
        await Bun.sleep(0);
        breathed = performance.now();
      }
      if (signal.aborted) return false;
      progress.time = time;
      if (step.kind === "step") this.numbers.set(step, progress.commands);
      for (const player of players) player.play(step);
      if (step.kind !== "step") continue;
      progress.commands++;
      progress.frames += step.frames.length;
      await watcher.played?.(step, progress);
      if (this.isReached()) break;
    }
    for (const player of players) player.settle();
    return this.isReached();
  }

  /** The guest's memory comes first, which a keyframe need not tell. */
  private *entriesFrom(chunk: number): ReturnType<Recording["entries"]> {
    const { recording } = this;
    for (let at = chunk; at >= 0 && chunk > 0; at--) {
      const found = recording.read(at).findLast(({ kind }) => kind === "memory");
      if (found === undefined) continue;
      yield found;
      break;
    }
    yield* recording.entries(chunk);
  }

  private isReached(): boolean {
    const { lastCommand, lastFrame } = this.goal;
    const { commands, frames } = this.progress;
    if (lastCommand !== undefined && commands > lastCommand) return true;
    return lastFrame !== undefined && frames > lastFrame;
  }

  /** Serves the displays meanwhile. */
  private async waitUntil(at: number, players: readonly Player[]): Promise<void> {
    for (;;) {
      const left = at - performance.now();
      if (left < 1 || this.signal.aborted) return;
      for (const player of players) player.replay?.guest.pump.drain();
      await Bun.sleep(Math.min(left, breathMs));
    }
  }
}

const timeOf = (step: Step): number => (step.kind === "step" ? step.command.time : step.time);
