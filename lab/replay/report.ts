// What a replay says of itself at its end.

import type { Ending, Recording } from "../../src/transport/wire/record/recording.ts";
import type { Playback } from "./playback.ts";
import type { Player } from "./player.ts";

export function summary(
  { progress, framesLeftOut }: Playback,
  { ending, isWhole }: Recording,
  ms: number,
): string[] {
  const { commands, frames, time } = progress;
  const took = `in ${(ms / 1000).toFixed(1)} s, recorded in ${(time / 1e9).toFixed(1)} s`;
  const late = framesLeftOut > 0 ? [`${framesLeftOut} frames were left out to catch up`] : [];
  // Of one that is still being made no end is known.
  const end = isWhole ? endOf(ending) : [];
  return [`played to command ${commands}, frame ${frames}, ${took}`, ...late, ...end];
}

/** The guest may have gone on. */
function endOf(ending: Ending): string[] {
  if (ending.reason === "stopped") return [];
  if (ending.reason === "cut") return [`the recording is cut: ${ending.text}, at byte ${ending.at}`];
  return [`the recording ended before its time: ${ending.text}`];
}

/** What it could not do as it was. */
export function notes({ misplaced, unseen, replay, state, lacks }: Player): string[] {
  const bits = replay?.lacks(state.features) ?? [];
  return [
    ...lacks,
    ...(bits.length > 0 ? [`the server lacks what the guest used: feature bits ${bits.join(", ")}`] : []),
    ...(misplaced > 0 ? [`${misplaced} times the recording has bytes where the guest had no memory`] : []),
    ...(unseen > 0 ? [`${unseen} pictures did not come`] : []),
  ];
}
