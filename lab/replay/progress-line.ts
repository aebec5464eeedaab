// Tells how far a replay is, where it takes its time.

import { StatusLine } from "../../src/recording/status-line.ts";
import type { Progress } from "./playback.ts";

export class ProgressLine {
  private readonly line = new StatusLine();

  constructor(private readonly commands: number) {}

  readonly tell = ({ commands, frames, time }: Readonly<Progress>): void =>
    this.line.tell(() => {
      const share = Math.floor((100 * commands) / Math.max(1, this.commands));
      const seconds = (time / 1e9).toFixed(1);
      return `${share} %, command ${commands}, frame ${frames}, ${seconds} s of the recording`;
    });

  end(): void {
    this.line.end();
  }
}
