// How many commands took how long, drawn: a bar for each quarter of an octave, on one logarithmic scale for all rows.

import type { LatencyRecord } from "../../feed.ts";
import { count, duration } from "../words.ts";

/** What the scale begins with. */
export const leastNs = 100;
/** LatencyRecord's buckets. */
const perOctave = 4;

type HistogramProps = Pick<LatencyRecord, "type" | "buckets" | "p50Ns" | "p99Ns"> & { mostNs: number };

export function LatencyHistogram({ type, buckets, p50Ns, p99Ns, mostNs }: HistogramProps) {
  const scale = Math.log(Math.max(mostNs, leastNs * 2) / leastNs);
  const at = (ns: number): number => (100 * Math.log(Math.max(leastNs, ns) / leastNs)) / scale;
  const most = Math.max(1, ...buckets);
  const bars = buckets.flatMap((some, bucket) => {
    if (some === 0) return [];
    const [fromNs, toNs] = [2 ** (bucket / perOctave), 2 ** ((bucket + 1) / perOctave)];
    const [left, right] = [at(fromNs), at(toNs)];
    // By its root, so that a few slow ones beside many quick ones are seen.
    const height = Math.max(0.6, 10 * Math.sqrt(some / most));
    const title = `${count(some)} took ${duration(fromNs)} to ${duration(toNs)}`;
    return [
      { bucket, left, width: Math.max(0.8, right - left - 0.2), height, title, isSlow: fromNs > p99Ns },
    ];
  });
  return (
    <svg
      class="histogram"
      viewBox="0 0 100 11"
      preserveAspectRatio="none"
      role="img"
      aria-label={`${type}: ${bars.map(({ title }) => title).join(", ")}`}
    >
      <rect class="rail" x="0" y="10" width="100" height="1" />
      {bars.map(({ bucket, left, width, height, title, isSlow }) => (
        <rect key={bucket} class={isSlow ? "tail" : "bulk"} x={left} y={10 - height} {...{ width, height }}>
          <title>{title}</title>
        </rect>
      ))}
      <rect class="median" x={at(p50Ns)} y="0" width="0.6" height="11" />
    </svg>
  );
}
