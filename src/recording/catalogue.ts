// What a recording holds, in short: when frames were shown and commands refused, and which pixels commands touched. It is made
// in pieces, while something else goes on.

import { Response } from "../transport/wire/virtio-gpu/protocol.ts";
import type { Recording } from "../transport/wire/record/recording.ts";
import { RecordingError } from "../transport/wire/record/recording-error.ts";
import { type Step, stepsOf } from "./steps.ts";
import { Touches } from "./touches.ts";

/** Steps between two looks at the clock. */
const stepsAtOnce = 64;
const momentsMax = 4_000_000;

export class Catalogue {
  /** Nanoseconds since the recording began. */
  readonly frameTimes: number[] = [];
  readonly errorTimes: number[] = [];
  readonly touches = new Touches();
  /** Commands that were looked at. */
  commands = 0;
  /** Whether all was looked at that can be read. */
  isWhole = false;
  private readonly steps: Iterator<Step>;

  constructor(recording: Recording) {
    this.steps = stepsOf(recording.entries());
  }

  /** Looks at more of it for about `ms`. Throws nothing for what is damaged: there it ends. */
  advance(ms: number): void {
    const deadline = performance.now() + ms;
    while (!this.isWhole && performance.now() < deadline) {
      for (let step = 0; step < stepsAtOnce && !this.isWhole; step++) this.take(this.next());
    }
  }

  private next(): Step | null {
    try {
      const { done, value } = this.steps.next();
      return done === true ? null : value;
    } catch (error) {
      if (!(error instanceof RecordingError)) throw error;
      return null;
    }
  }

  private take(step: Step | null): void {
    if (step === null) {
      this.isWhole = true;
      return;
    }
    this.touches.take(step, this.commands);
    if (step.kind !== "step") return;
    this.commands++;
    const { time } = step.command;
    for (const frame of step.frames)
      if (this.frameTimes.length < momentsMax) this.frameTimes.push(frame.time);
    const isError = (step.answer?.type ?? 0) >= Response.ERR_UNSPEC;
    if (isError && this.errorTimes.length < momentsMax) this.errorTimes.push(time);
  }
}

/** Of ascending `times`, those that can be told apart where `duration` has room for `places`. */
export function thinned(times: readonly number[], duration: number, places: number): number[] {
  let last = -1;
  return times.filter((time) => {
    const place = Math.floor((time / Math.max(1, duration)) * places);
    if (place === last) return false;
    last = place;
    return true;
  });
}
