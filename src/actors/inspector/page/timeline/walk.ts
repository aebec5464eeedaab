// Moving about without a mouse: what a search finds, and the span before, after, above or below the one that is chosen.

import type { Lane, Span } from "./spans.ts";

/** All words must be in the span's text: a word, or the beginning of "res:7". */
export function matcher(search: string): ((span: Span) => boolean) | null {
  const words = search.toLowerCase().split(/\s+/).filter(Boolean);
  if (words.length === 0) return null;
  const tests = words.map((word) =>
    word.includes(":") && !word.startsWith("type:") ? exact(word) : part(word),
  );
  return ({ text }) => tests.every((test) => test(text));
}

const exact = (word: string) => (text: string) => text.includes(` ${word} `);
const part = (word: string) => (text: string) => text.includes(word.replace(/^type:/, ""));

/** Something that is chosen: a span of a lane. */
export interface Place {
  lane: string;
  span: Span;
}

/** The next span that `wanted` holds for, in time, of all lanes; null where there is none. */
export function found(
  lanes: readonly Lane[],
  wanted: (span: Span) => boolean,
  from: { lane: string; span: Pick<Span, "startNs"> } | null,
  step: 1 | -1,
): Place | null {
  const all = lanes
    .flatMap(({ id, spans }) => spans.filter(wanted).map((span) => ({ lane: id, span })))
    .toSorted((a, b) => a.span.startNs - b.span.startNs);
  if (from === null) return (step === 1 ? all[0] : all.at(-1)) ?? null;
  const at = all.findIndex(({ lane, span }) => lane === from.lane && span === from.span);
  if (at >= 0) return all[at + step] ?? null;
  const isBeyond = ({ span }: Place) => (span.startNs - from.span.startNs) * step > 0;
  return (step === 1 ? all.find(isBeyond) : all.findLast(isBeyond)) ?? null;
}

/** The neighbour in the same lane, or the nearest in time of the lane above or below. */
export function neighbour(
  lanes: readonly Lane[],
  from: Place,
  way: "before" | "after" | "above" | "below",
): Place {
  const at = lanes.findIndex(({ id }) => id === from.lane);
  const own = lanes[at];
  if (own === undefined) return from;
  if (way === "before" || way === "after") {
    const next = own.spans[own.spans.indexOf(from.span) + (way === "after" ? 1 : -1)];
    return next === undefined ? from : { lane: own.id, span: next };
  }
  const other = lanes[at + (way === "below" ? 1 : -1)];
  const nearest = other === undefined ? null : nearestIn(other, from.span.startNs);
  return nearest === null ? from : { lane: other!.id, span: nearest };
}

export function nearestIn({ spans }: Lane, ns: number): Span | null {
  let best: Span | null = null;
  for (const span of spans) {
    if (best === null || Math.abs(span.startNs - ns) < Math.abs(best.startNs - ns)) best = span;
  }
  return best;
}

/** What a command has caused, and what caused it: spans that an arrow leads to, from one of them to the next in time. */
export function story(lanes: readonly Lane[], command: string): Place[] {
  if (command === "") return [];
  const own = lanes.flatMap(({ id, spans }) =>
    spans
      .filter((span) => span.command === command && !id.startsWith("sink"))
      .map((span) => ({ lane: id, span })),
  );
  const told = own.findLast(({ span }) => span.picture !== null)?.span.picture;
  const frames = told
    ? lanes
        .filter(({ id }) => id.startsWith("sink"))
        .flatMap((lane) => firstFrame(lane, told.scanout, told.message))
    : [];
  return [...own, ...frames].toSorted((a, b) => a.span.startNs - b.span.startNs);
}

/** The first frame that shows what the display was told in that message. */
function firstFrame({ id, spans }: Lane, scanout: number, message: number): Place[] {
  const first = spans.find(
    ({ picture }) =>
      picture !== null && picture.scanout === scanout && ((picture.message - message) | 0) >= 0,
  );
  return first === undefined ? [] : [{ lane: id, span: first }];
}
