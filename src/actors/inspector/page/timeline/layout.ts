// Where each span is drawn: folds neighbours that are too small to be told apart, and gives each its row.

import type { Lane, PartKind, Span } from "./spans.ts";
import { pixelAt, type TimeRange } from "./time-range.ts";

/** One drawn bar: a span, or several that are folded. */
export interface Bar {
  lane: string;
  row: number;
  startNs: number;
  endNs: number;
  /** Of the first to the last. */
  spans: readonly Span[];
  /** The name that all of them have, or null. */
  name: string | null;
  isError: boolean;
}

/** A lane with its bars, and where it lies: in pixels from the top. */
export interface PlacedLane {
  id: string;
  title: string;
  top: number;
  rows: number;
  bars: Bar[];
  count: number;
}

export const rowHeight = 22;
export const laneTitle = 18;
const laneGap = 10;
/** Rows of a lane; what has no room in them lies over others in the last. */
const rowsMax = 8;
/** Bars narrower than this are folded with their neighbours; equal ones also where they could be told apart. */
const barPixelsMin = 3;
const equalGapPixels = 4;
/** A bar of unequal ones is cut here, so that a queue that is never idle still shows when it did what. */
const mixedPixelsMax = 16;

/** Lays out all that `range` shows, a lane under the other. */
export function placed(lanes: readonly Lane[], range: TimeRange, width: number): PlacedLane[] {
  let top = 0;
  return lanes.map(({ id, title, spans }) => {
    const bars = packed(folded(id, seen(spans, range, width), range.nsPerPixel));
    const rows = bars.reduce((most, { row }) => Math.max(most, row + 1), 1);
    const lane = { id, title, top, rows, bars, count: spans.length };
    top += laneTitle + rows * rowHeight + laneGap;
    return lane;
  });
}

export const heightOf = (lanes: readonly PlacedLane[]): number =>
  lanes.reduce((height, { rows }) => height + laneTitle + rows * rowHeight + laneGap, 0);

function seen(spans: readonly Span[], range: TimeRange, width: number): Span[] {
  const endNs = range.startNs + width * range.nsPerPixel;
  return spans.filter((span) => span.startNs <= endNs && span.endNs >= range.startNs);
}

/** Equal neighbours, and those too small to see, as one; errors stay by themselves while they can be seen. */
export function folded(lane: string, spans: readonly Span[], nsPerPixel: number): Bar[] {
  const bars: (Bar & { spans: Span[] })[] = [];
  for (const span of spans) {
    const last = bars.at(-1);
    if (last !== undefined && joins(last, span, nsPerPixel)) {
      last.spans.push(span);
      last.endNs = Math.max(last.endNs, span.endNs);
      if (last.name !== span.name) last.name = null;
      last.isError ||= span.isError;
      continue;
    }
    const { startNs, endNs, name, isError } = span;
    bars.push({ lane, row: 0, startNs, endNs, spans: [span], name, isError });
  }
  return bars;
}

function joins(bar: Bar, span: Span, nsPerPixel: number): boolean {
  const gap = (span.startNs - bar.endNs) / nsPerPixel;
  const isSmall = (span.endNs - span.startNs) / nsPerPixel < barPixelsMin;
  if (bar.name === span.name && bar.isError === span.isError) {
    // Those that can be read one by one are left so.
    const wide = Math.max(bar.spans.at(-1)!.endNs - bar.spans.at(-1)!.startNs, span.endNs - span.startNs);
    return gap < equalGapPixels && wide / nsPerPixel < 24;
  }
  const width = (bar.endNs - bar.startNs) / nsPerPixel;
  const isBarSmall = width < barPixelsMin || (bar.spans.length > 1 && width < mixedPixelsMax);
  return gap < 1 && isSmall && isBarSmall;
}

/** Gives each the first row in which nothing is at its time. What the guest has yet to see may lie under what follows. */
function packed(bars: Bar[]): Bar[] {
  const ends: number[] = [];
  for (const bar of bars) {
    let row = ends.findIndex((end) => end <= bar.startNs);
    if (row < 0) row = Math.min(ends.length, rowsMax - 1);
    bar.row = row;
    ends[row] = Math.max(ends[row] ?? 0, busyUntil(bar));
  }
  return bars;
}

/** When the bar's work was done: a batch's answers are seen together, which is drawn thin. */
function busyUntil({ spans, endNs }: Bar): number {
  let until = 0;
  for (const { parts } of spans) {
    const last = parts.at(-1);
    if (last === undefined) continue;
    until = Math.max(until, last.kind === "answer" ? last.startNs : last.endNs);
  }
  return until === 0 ? endNs : until;
}

/** Time of each part, of all spans of a bar. */
export function sums(spans: readonly Span[]): Map<PartKind, number> {
  const all = new Map<PartKind, number>();
  for (const { parts } of spans) {
    for (const { kind, startNs, endNs } of parts) all.set(kind, (all.get(kind) ?? 0) + endNs - startNs);
  }
  return all;
}

/** The bar at a point, the last drawn first; narrow ones can be hit a little beside. */
export function barAt(lanes: readonly PlacedLane[], range: TimeRange, x: number, y: number): Bar | null {
  const lane = lanes.findLast(({ top }) => top + laneTitle <= y);
  if (lane === undefined) return null;
  const row = Math.floor((y - lane.top - laneTitle) / rowHeight);
  const near = lane.bars.filter((bar) => {
    const [left, right] = [pixelAt(range, bar.startNs), pixelAt(range, bar.endNs)];
    const beside = Math.max(0, (6 - (right - left)) / 2);
    return bar.row === row && left - beside <= x && x <= right + beside;
  });
  return near.at(-1) ?? null;
}
