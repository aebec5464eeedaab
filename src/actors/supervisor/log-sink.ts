// The one place where log lines leave the process: standard error, with time, level and actor.

import { configure, getLogger, getStreamSink } from "@logtape/logtape";
import type { ActorName } from "../names.ts";
import type { Level } from "../runtime/log.ts";

export interface LogSink {
  write(level: Level, actor: ActorName, text: string): void;
}

/** Opens the sink; call once. */
export async function openLogSink(lowest: Level): Promise<LogSink> {
  const stderr = new WritableStream({
    write: (chunk: Uint8Array) => void process.stderr.write(chunk),
  });
  await configure({
    sinks: {
      stderr: getStreamSink(stderr, {
        formatter: ({ timestamp, level, category, message }) =>
          `${new Date(timestamp).toISOString().slice(11, 23)} ${level.padEnd(7)} ${category.at(-1)}: ${message.join("")}\n`,
      }),
    },
    loggers: [
      { category: "fencepost", lowestLevel: lowest, sinks: ["stderr"] },
      { category: ["logtape", "meta"], lowestLevel: "error", sinks: ["stderr"] },
    ],
  });
  return {
    write: (level, actor, text) => getLogger(["fencepost", actor])[level]("{text}", { text }),
  };
}
