// Order statistics of samples, and ratios of rounds that ran in turn.

/** The order statistics that tables show. */
export interface Summary {
  min: number;
  median: number;
  p99: number;
}

/** Of at least one sample. */
export function summarise(samples: ArrayLike<number>): Summary {
  const sorted = Float64Array.from(samples).sort();
  return { min: sorted[0]!, median: quantile(sorted, 0.5), p99: quantile(sorted, 0.99) };
}

/** The least of all rounds, and the medians of their medians and 99th percentiles. */
export function summariseRounds(rounds: readonly Summary[]): Summary {
  return {
    min: Math.min(...rounds.map((round) => round.min)),
    median: median(rounds.map((round) => round.median)),
    p99: median(rounds.map((round) => round.p99)),
  };
}

export function median(values: readonly number[]): number {
  return quantile(Float64Array.from(values).sort(), 0.5);
}

/** `fraction` of the sorted samples lie below; between two samples, the nearer one, and their mean in the middle. */
function quantile(sorted: Float64Array, fraction: number): number {
  const at = (sorted.length - 1) * fraction;
  const low = Math.floor(at);
  return at - low === 0.5
    ? (sorted[low]! + sorted[low + 1]!) / 2
    : sorted[Math.min(sorted.length - 1, Math.round(at))]!;
}
