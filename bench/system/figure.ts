// What a workload measures.

import { type Summary, summarise } from "../report/statistics.ts";

/** "neither": what explains other figures, and is not compared. */
export type Better = "more" | "less" | "neither";

export interface Figure extends Summary {
  metric: string;
  unit: string;
  better: Better;
}

/** A figure of at least one sample. */
export function figure(metric: string, unit: string, better: Better, samples: ArrayLike<number>): Figure {
  return { metric, unit, better, ...summarise(samples) };
}

/** Reads what JSON.stringify has written of figures: it turns "never" into null. */
export function parseFigures(json: string): unknown {
  return JSON.parse(json, (_, value: unknown) => (value === null ? Infinity : value));
}

/** How many times better `ours` is than `theirs`; null where that cannot be said. */
export function ratioOf(better: Better, ours: number, theirs: number): number | null {
  if (better === "neither") return null;
  const [over, under] = better === "more" ? [ours, theirs] : [theirs, ours];
  return over === 0 && under === 0 ? null : over / under;
}
