// How far the fuzzer is, on standard error: one line that changes, or a line from time to time where that is no terminal.

import type { Tally } from "./campaign.ts";
import { lineOf, shrinkingLineOf } from "./report.ts";
import type { Shrinking } from "./shrinking.ts";
import type { Target } from "./target.ts";

const everyMs = { terminal: 250, file: 2_000 };

export class ProgressLine {
  private next = 0;
  private isOpen = false;

  tell(tally: Tally): void {
    this.write(lineOf(tally));
  }

  /** What was found takes long to be made smaller, and each begins with a line. */
  shrinks({ name }: Target, shrinking: Shrinking): void {
    if (shrinking.attempt === 1) this.next = 0;
    this.write(shrinkingLineOf(name, shrinking));
  }

  private write(line: string): void {
    const now = performance.now();
    if (now < this.next) return;
    const { isTTY } = process.stderr;
    this.next = now + (isTTY ? everyMs.terminal : everyMs.file);
    process.stderr.write(isTTY ? `\r${line}\x1b[K` : `${line}\n`);
    this.isOpen = isTTY;
  }

  end(): void {
    if (this.isOpen) process.stderr.write("\r\x1b[K");
    this.isOpen = false;
  }
}
