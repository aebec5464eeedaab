// What the rounds of a workload come to: medians, and ratios of rounds that ran in turn.

import { type Better, type Figure, ratioOf } from "../system/figure.ts";
import { median, type Summary, summariseRounds } from "./statistics.ts";

/** How many times better the first back-end is, by the rounds' medians. */
export interface Ratio {
  median: number;
  min: number;
  max: number;
}

export interface Measured extends Summary {
  rounds: Figure[];
}

/** One metric of one workload, by the back-ends' names. */
export interface Result {
  workload: string;
  metric: string;
  unit: string;
  better: Better;
  backends: Record<string, Measured>;
  ratios: Record<string, Ratio>;
}

/** Of the back-ends that have figures of all rounds; the first is compared with each other one. */
export function resultsOf(
  workload: string,
  rounds: ReadonlyMap<string, readonly Figure[][]>,
  count: number,
): Result[] {
  // One that cannot do what is measured, and says nothing of it, has no row.
  const [first, ...others] = [...rounds].filter(
    ([, figures]) => figures.length === count && figures.every((round) => round.length > 0),
  );
  if (first === undefined) return [];
  return first[1][0]!.map(({ metric, unit, better }, index) => {
    const figuresOf = (figures: readonly Figure[][]): Figure[] => figures.map((round) => round[index]!);
    const ours = figuresOf(first[1]);
    const ratiosTo = (figures: readonly Figure[][]): number[] =>
      figuresOf(figures)
        .map((theirs, round) => ratioOf(better, ours[round]!.median, theirs.median))
        .filter((ratio) => ratio !== null);
    return {
      workload,
      metric,
      unit,
      better,
      backends: Object.fromEntries(
        [first, ...others].map(([name, figures]) => {
          const own = figuresOf(figures);
          return [name, { ...summariseRounds(own), rounds: own }];
        }),
      ),
      ratios: Object.fromEntries(
        others
          .map(([name, figures]) => [name, ratiosTo(figures)] as const)
          .filter(([, ratios]) => ratios.length > 0)
          .map(([name, ratios]) => [
            name,
            { median: median(ratios), min: Math.min(...ratios), max: Math.max(...ratios) },
          ]),
      ),
    };
  });
}
