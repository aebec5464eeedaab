// The one place where log lines leave the process: standard error, with time, level and actor. Whatever a peer has put into one, it
// stays one line, and does nothing to a terminal.

import { configure, getLogger, type LogRecord } from "@logtape/logtape";
import type { PatientWriter } from "../../transport/os/patient-writer.ts";
import type { ActorName } from "../registry.ts";
import { type Level, printable } from "../runtime/log.ts";

export interface LogSink {
  write(level: Level, actor: ActorName, text: string): void;
}

/** Opens the sink; call once. */
export async function openLogSink(lowest: Level, stderr: PatientWriter): Promise<LogSink> {
  await configure({
    sinks: { stderr: (record) => stderr.write(line(record)) },
    loggers: [
      { category: "fencepost", lowestLevel: lowest, sinks: ["stderr"] },
      { category: ["logtape", "meta"], lowestLevel: "error", sinks: ["stderr"] },
    ],
  });
  return {
    write: (level, actor, text) => getLogger(["fencepost", actor])[level]("{text}", { text }),
  };
}

/** Characters of one line: what a peer says may have tens of thousands. */
const textMax = 1000;

const cut = (text: string): string => (text.length > textMax ? `${text.slice(0, textMax)} …` : text);

const line = ({ timestamp, level, category, message }: LogRecord): string =>
  `${new Date(timestamp).toISOString().slice(11, 23)} ${level.padEnd(7)} ${category.at(-1)}: ${printable(cut(message.join("")))}\n`;
