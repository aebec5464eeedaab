// How far the fuzzer is, on standard error: one line that changes, or a line from time to time where that is no terminal.

import type { Tally } from "./campaign.ts";
import { lineOf } from "./report.ts";

const everyMs = { terminal: 250, file: 2_000 };

export class ProgressLine {
  private next = 0;
  private isOpen = false;

  tell(tally: Tally): void {
    const now = performance.now();
    if (now < this.next) return;
    const { isTTY } = process.stderr;
    this.next = now + (isTTY ? everyMs.terminal : everyMs.file);
    process.stderr.write(isTTY ? `\r${lineOf(tally)}\x1b[K` : `${lineOf(tally)}\n`);
    this.isOpen = isTTY;
  }

  end(): void {
    if (this.isOpen) process.stderr.write("\r\x1b[K");
    this.isOpen = false;
  }
}
