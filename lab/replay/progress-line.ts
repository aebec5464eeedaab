// Tells how far a replay is, where it takes its time.

import type { Progress } from "./playback.ts";

/** What is over sooner needs no word. */
const quietMs = 2_000;
const everyMs = { terminal: 200, file: 5_000 };

export class ProgressLine {
  private readonly began = performance.now();
  private next = this.began + quietMs;
  private isOpen = false;

  constructor(private readonly commands: number) {}

  readonly tell = (progress: Readonly<Progress>): void => {
    const now = performance.now();
    if (now < this.next) return;
    const { isTTY } = process.stderr;
    this.next = now + (isTTY ? everyMs.terminal : everyMs.file);
    const share = Math.floor((100 * progress.commands) / Math.max(1, this.commands));
    const seconds = (progress.time / 1e9).toFixed(1);
    const text = `${share} %, command ${progress.commands}, frame ${progress.frames}, ${seconds} s of the recording`;
    process.stderr.write(isTTY ? `\r${text}\x1b[K` : `${text}\n`);
    this.isOpen = isTTY;
  };

  end(): void {
    if (this.isOpen) process.stderr.write("\r\x1b[K");
    this.isOpen = false;
  }
}
