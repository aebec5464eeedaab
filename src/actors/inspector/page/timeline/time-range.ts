// Which part of the time axis is seen, and how it is moved: zoom about a point, pan, marks of the axis.

export interface TimeRange {
  startNs: number;
  nsPerPixel: number;
}

/** No closer than a nanosecond in a pixel, and no farther than half an hour in a thousand. */
const nsPerPixelMin = 1;
const nsPerPixelMax = 1.8e9;

export const timeAt = ({ startNs, nsPerPixel }: TimeRange, x: number): number => startNs + x * nsPerPixel;

export const pixelAt = ({ startNs, nsPerPixel }: TimeRange, ns: number): number =>
  (ns - startNs) / nsPerPixel;

/** What is at `x` stays there; a factor below 1 looks closer. */
export function zoomed(range: TimeRange, factor: number, x: number): TimeRange {
  const nsPerPixel = Math.min(nsPerPixelMax, Math.max(nsPerPixelMin, range.nsPerPixel * factor));
  return { startNs: timeAt(range, x) - x * nsPerPixel, nsPerPixel };
}

export const panned = (range: TimeRange, pixels: number): TimeRange => ({
  ...range,
  startNs: range.startNs + pixels * range.nsPerPixel,
});

/** All between two moments, with some room at both sides. */
export function fitted(startNs: number, endNs: number, width: number): TimeRange {
  const nsPerPixel = Math.min(nsPerPixelMax, Math.max(nsPerPixelMin, (endNs - startNs) / (width * 0.9)));
  return { startNs: (startNs + endNs) / 2 - (width / 2) * nsPerPixel, nsPerPixel };
}

/** Moves the range no farther than is needed for a moment to be seen, with a fifth of the width around it. */
export function shifted(range: TimeRange, ns: number, width: number): TimeRange {
  const [x, margin] = [pixelAt(range, ns), width / 5];
  if (x < margin) return panned(range, x - margin);
  return x > width - margin ? panned(range, x - width + margin) : range;
}

/** Times for marks at least `pixels` apart: steps of 1, 2 and 5 times a power of ten. */
export function marks(range: TimeRange, width: number, pixels: number): { stepNs: number; at: number[] } {
  const wanted = range.nsPerPixel * pixels;
  const power = 10 ** Math.floor(Math.log10(wanted));
  const stepNs = [1, 2, 5, 10].map((one) => one * power).find((step) => step >= wanted * (1 - 1e-9))!;
  const at: number[] = [];
  const end = timeAt(range, width);
  for (let ns = Math.ceil(range.startNs / stepNs) * stepNs; ns <= end; ns += stepNs) at.push(ns);
  return { stepNs, at };
}
