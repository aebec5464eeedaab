// What a person does with a replay: plays it, stops it, goes to a frame, on or back. One thing at a time, and of what is asked
// for meanwhile the last.

import { Refusal } from "../../../src/transport/os/errors.ts";
import type { Recording } from "../../../src/transport/wire/record/recording.ts";
import type { ReplayRequest, ReplayState } from "../../../src/transport/wire/replay/messages.ts";
import type { Goal } from "../places.ts";
import type { Playback } from "../playback.ts";
import type { Player } from "../player.ts";
import type { Journal } from "./journal.ts";
import { lastShownAt } from "./moments.ts";
import { scaleOf } from "./totals.ts";

/** A seek that takes longer is given up for the next; shorter ones are seen while somebody drags. */
const overtakenMs = 200;
/** A person may hold the queue at a break for as long as they like. */
const patienceMs = 2 ** 31 - 1;
const restMs = 8;
/** What the log and the timeline show of what led to where a seek goes. */
export const lead = 16;

type SeekRequest = Exclude<ReplayRequest, { type: "play" | "pause" | "speed" }>;

export class Deck {
  /** Whether nobody steers any more: it was ended, or the server hung up. */
  isOver = false;
  private activity: ReplayState["activity"] = "paused";
  private speed = Infinity;
  private error = "";
  private isPlaying = false;
  /** Where to go next; and where that or what goes on leads. */
  private goal: Goal | null = null;
  private aim: Goal | null = null;
  private seek: ReplayState["seek"] = null;
  private began = 0;
  private interrupt = new AbortController();
  private wake: () => void = () => {};
  private readonly totals: ReturnType<typeof scaleOf>;

  /** `changed` is called when {@link state} may be another. */
  constructor(
    private readonly recording: Recording,
    private readonly playback: Playback,
    private readonly player: Player,
    private readonly journal: Journal,
    private readonly changed: () => void,
  ) {
    this.totals = scaleOf(recording);
  }

  get isSeeking(): boolean {
    return this.activity === "seeking";
  }

  /** Whether it is at nothing, and nothing is asked for. */
  get isAtRest(): boolean {
    return this.activity === "paused" && this.goal === null && !this.isPlaying;
  }

  state(): ReplayState {
    const { activity, seek, speed, error, playback, journal } = this;
    const { commands, frames, time } = playback.progress;
    return {
      ...{ activity, commands, frames, time, seek, error },
      ...this.totals,
      speed: speed === Infinity ? null : speed,
      sinceNs: journal.sinceNs,
    };
  }

  /** Does it as soon as it can, whatever it is at. */
  ask(request: ReplayRequest): void {
    this.error = "";
    switch (request.type) {
      case "play":
        this.isPlaying = true;
        if (this.playback.progress.commands >= this.totals.commandsTotal) this.goal ??= start;
        break;
      case "pause":
        this.isPlaying = false;
        break;
      case "speed":
        this.speed = request.speed ?? Infinity;
        break;
      default:
        if (request.type === "step") this.isPlaying = false;
        this.aim = this.goal = this.goalOf(request);
        if (this.isSeeking) return this.overtake();
    }
    if (!this.isSeeking) this.interrupt.abort();
    this.wake();
  }

  /** Until `signal`, or the server hangs up. */
  async run(signal: AbortSignal): Promise<void> {
    const end = (): void => {
      this.isOver = true;
      this.interrupt.abort();
      this.wake();
    };
    if (signal.aborted) end();
    signal.addEventListener("abort", end);
    while (!this.isOver && !this.isHungUp) {
      const { goal } = this;
      this.interrupt = new AbortController();
      this.goal = null;
      if (goal !== null) await this.goTo(goal);
      else if (this.isPlaying) await this.playOn();
      else await this.rest();
    }
    signal.removeEventListener("abort", end);
    this.isOver = true;
  }

  private get isHungUp(): boolean {
    return this.player.replay?.guest.frontend.closed === true;
  }

  private async goTo(goal: Goal): Promise<void> {
    const { playback } = this;
    this.activity = "seeking";
    this.began = performance.now();
    playback.approach(goal, lead);
    this.seek = { from: playback.progress.commands, to: playback.places.commandOf(goal) };
    await this.play(goal, Infinity);
    this.seek = null;
    if (this.goal === null) this.aim = null;
    this.rested();
  }

  private async playOn(): Promise<void> {
    if (this.playback.isLost) return this.goTo({ lastCommand: this.playback.progress.commands - 1 });
    this.activity = "playing";
    // What has ended is paused there.
    if (await this.play({}, this.speed)) this.isPlaying = false;
    this.rested();
  }

  private rested(): void {
    this.activity = "paused";
    this.changed();
  }

  private async play(goal: Goal, speed: number): Promise<boolean> {
    const { signal } = this.interrupt;
    this.changed();
    try {
      return await this.playback.play(goal, { speed, signal, patienceMs });
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      this.error = error.message;
      this.isPlaying = false;
      return false;
    }
  }

  /** Serves the display until something is asked for. */
  private async rest(): Promise<void> {
    while (this.goal === null && !this.isPlaying && !this.isOver && !this.isHungUp) {
      const served = this.player.replay?.guest.pump.epoll.wait(0) ?? 0;
      await new Promise<void>((resolve) => {
        this.wake = resolve;
        setTimeout(resolve, served > 0 ? 0 : restMs);
      });
    }
  }

  /** Ends a seek for the next, unless it will be over soon. */
  private overtake(): void {
    const { interrupt } = this;
    const leftMs = this.began + overtakenMs - performance.now();
    if (leftMs > 0) setTimeout(() => interrupt.abort(), leftMs);
    else interrupt.abort();
  }

  private goalOf(request: SeekRequest): Goal {
    const { commandsTotal, framesTotal } = this.totals;
    const { frames, commands } = this.playback.progress;
    if ("time" in request) {
      const command = lastShownAt(this.recording, request.time);
      return command < 0 ? start : { lastCommand: command };
    }
    if (request.type === "step" && "frames" in request) {
      const frame = (this.aim?.lastFrame ?? frames - 1) + request.frames;
      return frame < 0 ? start : { lastFrame: Math.min(frame, framesTotal - 1) };
    }
    if (request.type === "step") {
      const command = (this.aim?.lastCommand ?? commands - 1) + request.commands;
      return command < 0 ? start : { lastCommand: Math.min(command, commandsTotal - 1) };
    }
    if ("frame" in request) return { lastFrame: Math.min(request.frame, framesTotal - 1) };
    return { lastCommand: Math.min(request.command, commandsTotal - 1) };
  }
}

/** Before the first command. */
const start: Goal = { lastTime: 0 };
