// How often a sink shows another picture of an output: as the settings say, or as the output's EDID does.

import type { ActorContext } from "../../runtime/actor.ts";

/** Of an output that says none. */
const usualHz = 60;
/** What an output can mean by its refresh rate, to be taken at its word. */
const hzMin = 10;
const hzMax = 1_000;

/** Milliseconds from picture to picture, where the output's refresh rate is `hz`; 0 without a limit. */
export function periodOf({ frameRate }: ActorContext["config"], hz = usualHz): number {
  const rate = frameRate ?? (hz >= hzMin && hz <= hzMax ? hz : usualHz);
  return rate === "unlimited" ? 0 : 1000 / rate;
}
