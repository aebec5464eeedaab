// Plays a recording: from its start or a keyframe, on from where it is, at its pace or as fast as it goes.

import { type CommandStep, type Step, stepsOf } from "../../src/recording/steps.ts";
import { Refusal } from "../../src/transport/os/errors.ts";
import type { Entry } from "../../src/transport/wire/record/entries.ts";
import type { Recording } from "../../src/transport/wire/record/recording.ts";
import type { Player } from "./player.ts";
import type { Wait } from "./replay-guest.ts";

/** Where a play ends; with nothing, where the recording does. */
export interface Goal {
  /** The last command, or the last frame, counted from 0. */
  readonly lastCommand?: number | undefined;
  readonly lastFrame?: number | undefined;
  /** Nanoseconds since the recording began: all that was done by then. */
  readonly lastTime?: number | undefined;
}

export interface Manner {
  /** How many times faster than it was recorded; Infinity is as fast as it goes. */
  readonly speed: number;
  /** Ends it where it is. */
  readonly signal: AbortSignal;
  /** How long the server may take for something, in milliseconds. */
  readonly patienceMs: number;
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

/** So long at most passes without a look at signals, and at whatever else is to be served. */
const breathMs = 25;
/** A server that is paused answers nothing. */
const rewindMs = 200;

export class Playback {
  readonly progress: Progress = { commands: 0, frames: 0, time: 0 };
  /** Commands before those of {@link steps}. */
  private skipped = 0;
  private readonly memories = new Map<number, Entry | null>();
  /** Null where it is nowhere: before the first step, or in the midst of one that was given up. */
  private steps: Iterator<Step> | null = null;
  /** Taken from {@link steps}, and yet to be played. */
  private next: Step | null = null;
  /** Whether players have something of before {@link steps} to forget. */
  private isStale = false;
  private hasPlayed = false;
  private breathed = 0;

  /** Plays on `players` alike. */
  constructor(
    private readonly recording: Recording,
    private readonly players: readonly Player[],
    private readonly watcher: Watcher = {},
  ) {}

  /** Whether it has to begin anew: a step was given up. */
  get isLost(): boolean {
    return this.hasPlayed && this.steps === null;
  }

  /** Of a command that was played. */
  readonly numberOf = (step: CommandStep): number => this.skipped + step.index;

  /** Begins anew with the recording's start, or with a chunk with whose keyframe all is known. */
  begin(chunk = 0): void {
    const { recording, progress } = this;
    this.isStale = this.hasPlayed;
    const { commandsBefore, framesBefore, firstTime } = recording.chunks[chunk]!;
    progress.commands = this.skipped = commandsBefore;
    progress.frames = framesBefore;
    progress.time = firstTime;
    this.steps = stepsOf(this.entriesFrom(chunk));
    this.next = null;
  }

  /** Begins anew where `goal` is reached sooner than from here. Returns whether it has. */
  approach(goal: Goal): boolean {
    const chunk = this.firstChunkFor(goal);
    const isOnTheWay = this.recording.chunks[chunk]!.commandsBefore <= this.progress.commands;
    if (this.steps !== null && isOnTheWay && !this.isPast(goal)) return false;
    this.begin(chunk);
    return true;
  }

  /** Plays on to `goal`. Returns false where it was ended, or the recording ends before. */
  async play(goal: Goal, { speed, signal, patienceMs }: Manner): Promise<boolean> {
    if (this.steps === null) this.begin();
    const { progress, watcher, players } = this;
    this.breathed = performance.now();
    if (this.isStale) await this.rewind(signal);
    const pace = new Pace(speed, progress.time);
    this.hasPlayed = true;
    while (!this.isReached(goal)) {
      const step = (this.next ??= this.take());
      if (step === null || timeOf(step) > (goal.lastTime ?? Infinity)) break;
      if (speed !== Infinity) await this.keep(pace, timeOf(step), signal);
      if (performance.now() - this.breathed > breathMs) {
        watcher.progress?.(progress);
        await this.breathe();
      }
      if (signal.aborted) return false;
      this.next = null;
      progress.time = timeOf(step);
      for (const player of players) {
        for (const wait of player.play(step)) {
          if (!(await this.isOver(wait, player, signal, patienceMs))) return this.lose();
        }
      }
      if (step.kind !== "step") continue;
      progress.commands++;
      progress.frames += step.frames.length;
      await watcher.played?.(step, progress);
    }
    for (const player of players) {
      for (const wait of player.settle()) {
        if (!(await this.isOver(wait, player, signal, patienceMs))) return this.lose();
      }
    }
    return (goal.lastCommand ?? goal.lastFrame) === undefined || this.isReached(goal);
  }

  /** The chunk to begin with: that of the last keyframe with which all is known, where a goal is far enough. */
  private firstChunkFor({ lastCommand, lastFrame, lastTime }: Goal): number {
    const { recording } = this;
    const { chunks } = recording;
    let chunk = lastFrame === undefined ? -1 : recording.chunkOfFrame(lastFrame);
    if (lastCommand !== undefined) {
      chunk = chunks.findLastIndex(({ commandsBefore }) => commandsBefore <= lastCommand);
    }
    if (lastTime !== undefined) chunk = chunks.findLastIndex(({ firstTime }) => firstTime <= lastTime);
    for (let at = recording.keyframeBefore(chunk); at > 0; at = recording.keyframeBefore(at - 1)) {
      const [first] = recording.read(at);
      if (first?.kind === "keyframe" && first.contexts + first.rendered === 0) return at;
    }
    return 0;
  }

  /** The guest's memory comes first, which a keyframe need not tell. */
  private *entriesFrom(chunk: number): ReturnType<Recording["entries"]> {
    const memory = chunk > 0 ? this.memoryBefore(chunk - 1) : null;
    if (memory !== null) yield memory;
    yield* this.recording.entries(chunk);
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

  /** What is under way is waited for, but not for long: what the server takes it has taken then. */
  private async rewind(signal: AbortSignal): Promise<void> {
    for (const player of this.players) {
      const deadline = performance.now() + rewindMs;
      for (const wait of player.settle()) {
        while (!player.replay!.serve(wait, breathMs) && performance.now() < deadline && !signal.aborted) {
          await this.breathe();
        }
      }
      player.rewind();
    }
    this.isStale = false;
  }

  private take(): Step | null {
    const { done, value } = this.steps!.next();
    return done === true ? null : value;
  }

  private isReached({ lastCommand, lastFrame }: Goal): boolean {
    const { commands, frames } = this.progress;
    return commands > (lastCommand ?? Infinity) || frames > (lastFrame ?? Infinity);
  }

  /** Whether more was played than up to `goal`. */
  private isPast({ lastCommand, lastFrame, lastTime }: Goal): boolean {
    const { commands, frames, time } = this.progress;
    return (
      commands > (lastCommand ?? Infinity) + 1 ||
      frames > (lastFrame ?? Infinity) + 1 ||
      time > (lastTime ?? Infinity)
    );
  }

  /** Serves a player until what it waits for is over. Returns false where that is given up. */
  private async isOver(
    wait: Wait,
    { replay }: Player,
    signal: AbortSignal,
    patienceMs: number,
  ): Promise<boolean> {
    const deadline = performance.now() + patienceMs;
    while (!replay!.serve(wait, breathMs)) {
      await this.breathe();
      if (signal.aborted) return false;
      if (performance.now() > deadline) {
        throw new Refusal(`${wait.what}: nothing after ${patienceMs} ms`);
      }
    }
    return true;
  }

  private lose(): false {
    this.steps = null;
    return false;
  }

  private async breathe(): Promise<void> {
    await Bun.sleep(0);
    this.breathed = performance.now();
  }

  /** Waits until it is time; serves the displays meanwhile. */
  private async keep(pace: Pace, time: number, signal: AbortSignal): Promise<void> {
    for (;;) {
      const left = pace.msUntil(time);
      if (left < 1 || signal.aborted) return;
      for (const player of this.players) player.rest();
      await Bun.sleep(Math.min(left, breathMs));
    }
  }
}

class Pace {
  private readonly began = performance.now();

  constructor(
    private readonly speed: number,
    private readonly first: number,
  ) {}

  msUntil(time: number): number {
    return this.began + (time - this.first) / 1e6 / this.speed - performance.now();
  }
}

const timeOf = (step: Step): number => (step.kind === "step" ? step.command.time : step.time);
