// The one place where log lines leave the process. Whatever a peer has put into one, it stays one line, and does nothing to a
// terminal.

import type { ActorName } from "../registry.ts";
import { type Level, levels, printable } from "../runtime/log.ts";
import type { LogOutput } from "./log-output.ts";

/** Characters of one line: what a peer says may have tens of thousands. */
const textMax = 1000;

export class LogSink {
  private lowest: number;

  constructor(
    lowest: Level,
    private readonly output: LogOutput,
  ) {
    this.lowest = levels.indexOf(lowest);
  }

  set level(lowest: Level) {
    this.lowest = levels.indexOf(lowest);
  }

  write(level: Level, actor: ActorName, text: string): void {
    if (levels.indexOf(level) >= this.lowest) this.output.line(level, actor, printable(cut(text)));
  }
}

const cut = (text: string): string => (text.length > textMax ? `${text.slice(0, textMax)} …` : text);
