// The one place where log lines leave the process: standard error, with time, level and actor. Whatever a peer has put into one, it
// stays one line, and does nothing to a terminal.

import type { PatientWriter } from "../../transport/os/patient-writer.ts";
import type { ActorName } from "../registry.ts";
import { type Level, levels, printable } from "../runtime/log.ts";

/** Characters of one line: what a peer says may have tens of thousands. */
const textMax = 1000;

export class LogSink {
  private readonly lowest: number;

  constructor(
    lowest: Level,
    private readonly stderr: PatientWriter,
  ) {
    this.lowest = levels.indexOf(lowest);
  }

  write(level: Level, actor: ActorName, text: string): void {
    if (levels.indexOf(level) < this.lowest) return;
    const time = new Date().toISOString().slice(11, 23);
    this.stderr.write(`${time} ${level.padEnd(7)} ${actor}: ${printable(cut(text))}\n`);
  }
}

const cut = (text: string): string => (text.length > textMax ? `${text.slice(0, textMax)} …` : text);
