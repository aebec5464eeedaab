// How long a recording is, as its scale tells it.

import { type Recording, totalsOf } from "../../../src/transport/wire/record/recording.ts";
import { RecordingError } from "../../../src/transport/wire/record/recording-error.ts";
import type { ReplayState } from "../../../src/transport/wire/replay/messages.ts";

type Totals = Pick<ReplayState, "commandsTotal" | "framesTotal" | "duration">;

/** Reads the last chunk, for the time of its last entry. */
export function scaleOf(recording: Recording): Totals {
  const { commands, frames } = totalsOf(recording);
  return { commandsTotal: commands, framesTotal: frames, duration: lastTimeOf(recording) };
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
