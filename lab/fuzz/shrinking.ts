// Makes of a batch that did harm the smallest part of it that still does, each time on a server of its own.

import type { Illness } from "./health.ts";
import { type Range, Session } from "./session.ts";
import type { Target } from "./target.ts";

/** Servers that are started for one finding, at most. */
const attemptsMax = 24;

/** Whether a new server falls ill of these inputs alone. */
export async function fallsIll(
  target: Target,
  range: Range,
  flags: readonly string[] = [],
): Promise<Illness | null> {
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
  return illness ?? atEnd;
}

/** Returns the smallest range, and how often it was tried; null where the batch alone does no harm. */
export async function shrink(target: Target, range: Range, goesOn: () => boolean): Promise<Range | null> {
  if ((await fallsIll(target, range)) === null) return null;
  let attempts = 1;
  const tries = async (part: Range): Promise<boolean> => {
    attempts++;
    return goesOn() && attempts <= attemptsMax && (await fallsIll(target, part)) !== null;
  };
  let smallest = range;
  for (let isSmaller = true; isSmaller && smallest.to - smallest.from > 1;) {
    const middle = (smallest.from + smallest.to) >> 1;
    const halves = [
      { ...smallest, to: middle },
      { ...smallest, from: middle },
    ];
    isSmaller = false;
    for (const half of halves) {
      if (!(await tries(half))) continue;
      smallest = half;
      isSmaller = true;
      break;
    }
  }
  return smallest;
}
