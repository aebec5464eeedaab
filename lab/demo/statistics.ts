// Minimum, median and 99th percentile of many durations.

/** In microseconds. */
export interface Latency {
  min: number;
  median: number;
  p99: number;
}

/** Of at least one duration in nanoseconds. */
export function latencyOf(samplesNs: Float64Array): Latency {
  const sorted = samplesNs.toSorted();
  const at = (fraction: number) =>
    sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * fraction))]! / 1000;
  return { min: at(0), median: at(0.5), p99: at(0.99) };
}

export function formatLatency({ min, median, p99 }: Latency): string {
  const figure = (us: number) =>
    us < 1000 ? `${us.toFixed(us < 10 ? 1 : 0)} µs` : `${(us / 1000).toFixed(2)} ms`;
  return `min ${figure(min)}, median ${figure(median)}, p99 ${figure(p99)}`;
}
