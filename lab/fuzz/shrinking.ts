// Makes of a batch that did harm the smallest part of it that still does, each time on a server of its own.

import type { Illness } from "./health.ts";
import { type Range, Session } from "./session.ts";
import type { Target } from "./target.ts";

/** Servers that are started for one finding, at most. */
const attemptsMax = 40;

/** How far it is: which try this is, and how many inputs are left. */
export interface Shrinking {
  readonly attempt: number;
  readonly attemptsMax: number;
  readonly inputs: number;
}

/** What making a batch smaller needs of who waits for it. */
export interface Patience {
  readonly goesOn: () => boolean;
  /** Told before each try. */
  readonly told: (shrinking: Shrinking) => void;
}

/** Whether a new server, with these flags besides, shows of a part of a batch what is looked for. */
export type Trial = (range: Range, flags?: readonly string[]) => Promise<boolean>;

/** What a new server shows of these inputs alone: what is wrong with it, and what its log says of each death of the renderer. */
export async function outcomeOf(
  target: Target,
  range: Range,
  flags: readonly string[] = [],
  goesOn: () => boolean = () => true,
): Promise<{ illness: Illness | null; deaths: readonly string[] }> {
  const session = await Session.start(target, { flags, sent: goesOn });
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
  (target: Target, goesOn?: () => boolean): Trial =>
  async (range, flags) =>
    (await outcomeOf(target, range, flags, goesOn)).illness !== null;

/** Whether the renderer dies, and for this cause. */
export const diesOf =
  (target: Target, cause: string, goesOn = (): boolean => true): Trial =>
  async (range, flags = []) => {
    const session = await Session.start(target, { flags, sent: goesOn });
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

/** Returns the smallest range, or the smallest so far where it does not go on; null where the batch alone does not show it. */
export async function shrink(range: Range, trial: Trial, { goesOn, told }: Patience): Promise<Range | null> {
  let attempts = 0;
  let smallest = range;
  const shows = (part: Range): Promise<boolean> => {
    told({ attempt: ++attempts, attemptsMax, inputs: smallest.to - smallest.from });
    return trial(part);
  };
  if (!(await shows(range))) return null;
  const takes = async (part: Range): Promise<boolean> => {
    if (part.from >= part.to || !goesOn() || attempts >= attemptsMax || !(await shows(part))) return false;
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
