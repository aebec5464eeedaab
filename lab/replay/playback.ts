// Plays a recording: from its start or a keyframe, on from where it is, at its pace or as fast as it goes.

import { type CommandStep, type Step, stepsOf } from "../../src/recording/steps.ts";
import { Refusal } from "../../src/transport/os/errors.ts";
import type { Recording } from "../../src/transport/wire/record/recording.ts";
import type { LiveRecording } from "./live/live-recording.ts";
import type { Player, Playing } from "./player.ts";
import { Pace } from "./pace.ts";
import { type Goal, Places } from "./places.ts";
import type { Wait } from "./replay-guest.ts";

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
/** What lies so few commands ahead is played, whatever there is between: a frame and another. */
const nearMax = 16;
/** To go over fewer commands than these is not worth a reset of the device. */
const skippedMin = 256;
/** A server that is paused answers nothing. */
const rewindMs = 200;

export class Playback {
  readonly progress: Progress = { commands: 0, frames: 0, time: 0 };
  /** Commands before those of {@link steps}. */
  private skipped = 0;
  readonly places: Places;
  /** Null where it is nowhere: before the first step, or in the midst of one that was given up. */
  private steps: Iterator<Step | null> | null = null;
  /** Taken from {@link steps}, and yet to be played. */
  private next: Step | null = null;
  /** Whether players have something of before {@link steps} to forget. */
  private isStale = false;
  private hasPlayed = false;
  /** The command up to which nothing need be played, and the first after which a renderer has something. */
  private skipTo = 0;
  private unknownFrom = Infinity;
  private breathed = 0;
  /** Frames that were left out to catch up with what is still being recorded. */
  framesLeftOut = 0;

  /** Plays on `players` alike. */
  constructor(
    private readonly recording: Recording,
    private readonly players: readonly Player[],
    private readonly watcher: Watcher = {},
    /** Where the recording comes from, if it is still being made. */
    private readonly live: LiveRecording | null = null,
  ) {
    this.places = new Places(recording, live ?? recording);
  }

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
    this.steps = stepsOf(this.places.entriesFrom(chunk));
    this.next = null;
    this.skipTo = 0;
  }

  /**
   * Begins anew where `goal` is reached sooner than from here. With `lead` only about so many commands before it are played: what
   * those before have led to is restored, where that is known. Returns whether it has begun anew.
   */
  approach(goal: Goal, lead = Infinity): boolean {
    const chunk = this.places.firstChunkFor(goal);
    const { commandsBefore } = this.recording.chunks[chunk]!;
    const target = this.places.commandOf(goal);
    const from = target > this.unknownFrom ? 0 : target - lead;
    const { commands } = this.progress;
    const isNear = target <= commands + nearMax;
    const hasFar = !isNear && (commandsBefore > commands || from > commands + skippedMin);
    if (this.steps !== null && !hasFar && !this.isPast(goal)) return false;
    this.begin(chunk);
    if (from > commandsBefore) this.skipTo = from;
    return true;
  }

  /** Plays on to `goal`. Returns false where it was ended, or the recording ends before. */
  async play(goal: Goal, { speed, signal, patienceMs }: Manner): Promise<boolean> {
    if (this.steps === null) this.begin();
    const { progress, watcher, players } = this;
    this.breathed = performance.now();
    if (this.isStale) await this.rewind(signal);
    this.hasPlayed = true;
    if (this.skipTo > 0 && !(await this.skip(signal, patienceMs))) return this.lose();
    const pace = new Pace(speed, progress.time);
    while (!this.isReached(goal)) {
      const step = this.next ?? this.take();
      if (step === undefined) {
        if (!(await this.grow(this.live!, signal))) return false;
        continue;
      }
      this.next = step;
      const ahead = this.live?.keyframeAhead(progress.time) ?? -1;
      if (ahead >= 0) {
        await this.leap(ahead, signal);
        continue;
      }
      if (step === null || timeOf(step) > (goal.lastTime ?? Infinity)) break;
      if (speed !== Infinity) await this.keep(pace, timeOf(step), signal);
      if (performance.now() - this.breathed > breathMs) await this.tell();
      if (signal.aborted) return false;
      this.next = null;
      for (const player of players) {
        if (!(await this.finish(player.play(step), player, signal, patienceMs))) return this.lose();
      }
      this.count(step);
      if (step.kind === "step") await watcher.played?.(step, progress);
    }
    for (const player of players) {
      if (!(await this.finish(player.settle(), player, signal, patienceMs))) return this.lose();
    }
    return (goal.lastCommand ?? goal.lastFrame) === undefined || this.isReached(goal);
  }

  /** Goes over what need not be played. Returns false where that was given up. */
  private async skip(signal: AbortSignal, patienceMs: number): Promise<boolean> {
    const { progress, players, skipTo } = this;
    for (const player of players) player.skip();
    while (progress.commands < skipTo || players.some(({ isAmidKeyframe }) => isAmidKeyframe)) {
      const step = this.next ?? this.take();
      if (!step) break;
      this.next = null;
      for (const player of players) player.play(step).next();
      this.count(step);
      if (performance.now() - this.breathed < breathMs) continue;
      if (!players.every(({ state }) => state.isKnown)) break;
      await this.tell();
      if (signal.aborted) return false;
    }
    this.skipTo = 0;
    if (!players.every(({ state }) => state.isKnown)) {
      // A renderer's work has to be done again, from where there was none.
      this.unknownFrom = Math.min(this.unknownFrom, progress.commands);
      this.begin(this.places.firstChunkFor({ lastCommand: skipTo }));
      await this.rewind(signal);
      return true;
    }
    for (const player of players) {
      if (!(await this.finish(player.land(), player, signal, patienceMs))) return false;
    }
    return true;
  }

  private count(step: Step): void {
    const { progress } = this;
    progress.time = timeOf(step);
    if (step.kind !== "step") return;
    progress.commands++;
    progress.frames += step.frames.length;
  }

  private async tell(): Promise<void> {
    this.watcher.progress?.(this.progress);
    await this.breathe();
  }

  /** Serves a player until it is done with something. Returns false where that is given up. */
  private async finish(
    playing: Playing,
    player: Player,
    signal: AbortSignal,
    patienceMs: number,
  ): Promise<boolean> {
    for (const wait of playing) {
      if (!(await this.isOver(wait, player, signal, patienceMs))) return false;
    }
    return true;
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

  /** The next step; null where the recording ends, undefined where there is none yet. */
  private take(): Step | null | undefined {
    const { done, value } = this.steps!.next();
    return done === true ? null : (value ?? undefined);
  }

  /** Serves the players until there is more, or the end is known. Returns false where that is given up. */
  private async grow(live: LiveRecording, signal: AbortSignal): Promise<boolean> {
    await live.more(signal, () => {
      for (const player of this.players) player.rest();
      const isGone = this.players.some(({ replay }) => replay?.guest.frontend.closed === true);
      if (isGone) throw new Refusal("the server that plays it has ended");
      this.watcher.progress?.(this.progress);
    });
    await this.breathe();
    return !signal.aborted;
  }

  /** Goes on with a later keyframe. */
  private async leap(chunk: number, signal: AbortSignal): Promise<void> {
    this.framesLeftOut -= this.progress.frames;
    this.begin(chunk);
    this.framesLeftOut += this.progress.frames;
    await this.rewind(signal);
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

const timeOf = (step: Step): number => (step.kind === "step" ? step.command.time : step.time);
