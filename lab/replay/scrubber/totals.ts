// How long a recording is.

import type { Recording } from "../../../src/transport/wire/record/recording.ts";
import { RecordingError } from "../../../src/transport/wire/record/recording-error.ts";
import type { ReplayState } from "../../../src/transport/wire/replay/messages.ts";

type Totals = Pick<ReplayState, "commandsTotal" | "framesTotal" | "duration">;

/** What is known of each recording, and of how many of its chunks. */
const known = new WeakMap<Recording, { chunks: number; totals: Totals }>();

export function totalsOf(recording: Recording): Totals {
  const { chunks } = recording;
  const before = known.get(recording);
  if (before?.chunks === chunks.length) return before.totals;
  const last = chunks.at(-1)!;
  const totals = {
    commandsTotal: last.commandsBefore + last.commands,
    framesTotal: last.framesBefore + last.frames,
    duration: lastTimeOf(recording),
  };
  known.set(recording, { chunks: chunks.length, totals });
  return totals;
}

function lastTimeOf(recording: Recording): number {
  const { number, firstTime } = recording.chunks.at(-1)!;
  try {
    return recording.read(number).at(-1)?.time ?? firstTime;
  } catch (error) {
    if (!(error instanceof RecordingError)) throw error;
    return firstTime;
  }
}
