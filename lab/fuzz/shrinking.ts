// Makes of a batch that did harm the smallest part of it that still does, each time on a server of its own.

import type { Illness } from "./health.ts";
import { type Range, Session } from "./session.ts";
import type { Target } from "./target.ts";

/** Servers that are started for one finding, at most. */
const attemptsMax = 40;

/** Whether a new server, with these flags besides, shows of a part of a batch what is looked for. */
export type Trial = (range: Range, flags?: readonly string[]) => Promise<boolean>;

/** What a new server shows of these inputs alone: what is wrong with it, and what its log says of each death of the renderer. */
export async function outcomeOf(
  target: Target,
  range: Range,
  flags: readonly string[] = [],
): Promise<{ illness: Illness | null; deaths: readonly string[] }> {
  const session = await Session.start(target, { flags });
  let illness: Illness | null;
  let atEnd: Illness | null;
  try {
    // Only what is held more of after the same once more is a leak.
    illness =
      (await session.run({ ...range, to: range.from })) ??
      (await session.run(range)) ??
      (await session.run(range));
  } finally {
    atEnd = await session.end();
  }
  return { illness: illness ?? atEnd, deaths: session.deaths };
}

export const fallsIll =
  (target: Target): Trial =>
  async (range, flags) =>
    (await outcomeOf(target, range, flags)).illness !== null;

/** Whether the renderer dies, and for this cause. */
export const diesOf =
  (target: Target, cause: string): Trial =>
  async (range, flags = []) => {
    const session = await Session.start(target, { flags });
    try {
      await session.run(range);
      return session.deaths.some((death) => causeOf(death) === cause);
    } finally {
      await session.end();
    }
  };

/** Of what a log says of a death, what others of the same cause have, too: "ended by SIGSEGV amid SUBMIT_3D". */
export const causeOf = (death: string): string =>
  death.replace(/^.*\bcrashed: /, "").replace(/ of context \d+$/, "");

/** Returns the smallest range; null where the batch alone does not show it. */
export async function shrink(range: Range, trial: Trial, goesOn: () => boolean): Promise<Range | null> {
  if (!(await trial(range))) return null;
  let attempts = 1;
  let smallest = range;
  const takes = async (part: Range): Promise<boolean> => {
    if (part.from >= part.to || !goesOn() || attempts++ >= attemptsMax || !(await trial(part))) return false;
    smallest = part;
    return true;
  };
  // What harms may begin in one half and end in the other, so that ever smaller pieces are cut off both ends.
  for (let step = (range.to - range.from) >> 1; step > 0; step >>= 1) {
    while (await takes({ ...smallest, to: smallest.to - step }));
    while (await takes({ ...smallest, from: smallest.from + step }));
  }
  return smallest;
}
