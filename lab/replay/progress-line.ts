// Tells how far a replay is, where it takes its time.

import { StatusLine } from "../../src/recording/status-line.ts";
import type { LiveRecording } from "./live/live-recording.ts";
import type { Progress } from "./playback.ts";

/** Of what is played as it comes, a file is told only where it is late. */
const lateNs = 1e9;

export class ProgressLine {
  private readonly line = new StatusLine();

  /** `of`: commands in all; or what says how much more has come of what is still being recorded. */
  constructor(private readonly of: number | LiveRecording) {}

  readonly tell = ({ commands, frames, time }: Readonly<Progress>): void => {
    const { of } = this;
    const isCounted = typeof of === "number";
    if (!isCounted && !process.stderr.isTTY && of.behind(time) < lateNs) return;
    this.line.tell(() => {
      const place = isCounted
        ? `${Math.floor((100 * commands) / Math.max(1, of))} %`
        : `${seconds(of.behind(time))} s behind`;
      return `${place}, command ${commands}, frame ${frames}, ${seconds(time)} s of the recording`;
    });
  };

  end(): void {
    this.line.end();
  }
}

const seconds = (ns: number): string => (ns / 1e9).toFixed(1);
