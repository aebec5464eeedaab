// From a time of a recording to a command after which nothing is half drawn.

import type { Recording } from "../../../src/transport/wire/record/recording.ts";

/** The last command up to `time` (nanoseconds) that has shown something: a frame, or a pointer. -1 before the first. */
export function lastShownAt(recording: Recording, time: number): number {
  const { chunks } = recording;
  let at = chunks.findLastIndex(({ firstTime }) => firstTime <= time);
  for (; at >= 0; at--) {
    const found = lastShownIn(recording.read(at), time);
    if (found >= 0) return chunks[at]!.commandsBefore + found;
  }
  return -1;
}

/** Its number among the commands of these entries. */
function lastShownIn(entries: ReturnType<Recording["read"]>, time: number): number {
  let [command, drawing, shown] = [-1, -1, -1];
  let isHalf = false;
  for (const entry of entries) {
    if (entry.time > time) break;
    if (entry.kind === "frame") {
      shown = drawing;
      isHalf = false;
    }
    if (entry.kind !== "command") continue;
    command++;
    if (entry.queue === 0) {
      drawing = command;
      isHalf = true;
    } else if (!isHalf) shown = command;
  }
  return shown;
}
