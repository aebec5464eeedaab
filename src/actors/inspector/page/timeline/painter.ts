// Draws the timeline on a canvas. All is measured in units of the page's text, so that large screens have large bars.

import { type Bar, laneTitle, type PlacedLane, rowHeight, sums } from "./layout.ts";
import type { Part, PartKind, Span } from "./spans.ts";
import { marks, pixelAt, type TimeRange } from "./time-range.ts";
import type { Place } from "./walk.ts";

/** The axis lies above the lanes. */
export const axisHeight = 26;
const barHeight = rowHeight - 4;

/** All that is to be seen. */
export interface Scene {
  lanes: readonly PlacedLane[];
  range: TimeRange;
  /** How far the lanes are scrolled. */
  scrolled: number;
  chosen: Place | null;
  /** What the chosen command has caused, in order. */
  story: readonly Place[];
  /** What a search finds, null where none is made. */
  finds: ((span: Span) => boolean) | null;
  /** What stands at a mark of the axis. */
  labelOf(ns: number, stepNs: number): string;
}

type Colour = PartKind | "text" | "dim" | "faint" | "line" | "panel" | "accent" | "bad";

const variables: Readonly<Record<Colour, string>> = {
  ...{ wait: "--wait", run: "--run", fence: "--fence", answer: "--faint", frame: "--good" },
  ...{ text: "--text", dim: "--dim", faint: "--faint", line: "--line", panel: "--panel" },
  ...{ accent: "--accent", bad: "--bad" },
};

export class Painter {
  private readonly pen: CanvasRenderingContext2D;
  private colours = {} as Record<Colour, string>;
  width = 0;
  height = 0;
  /** CSS pixels of a unit. */
  unit = 1;

  constructor(private readonly canvas: HTMLCanvasElement) {
    this.pen = canvas.getContext("2d")!;
    this.measure();
  }

  /** Looks again how large the canvas is, and which colours the theme has. */
  measure(): void {
    const { canvas } = this;
    const style = getComputedStyle(canvas);
    this.unit = parseFloat(style.fontSize) / 12.5;
    const { clientWidth, clientHeight } = canvas;
    [canvas.width, canvas.height] = [clientWidth * devicePixelRatio, clientHeight * devicePixelRatio];
    [this.width, this.height] = [clientWidth / this.unit, clientHeight / this.unit];
    for (const [name, variable] of Object.entries(variables)) {
      this.colours[name as Colour] = style.getPropertyValue(variable).trim();
    }
  }

  paint(scene: Scene): void {
    const { pen, width, height } = this;
    const scale = this.unit * devicePixelRatio;
    pen.setTransform(scale, 0, 0, scale, 0, 0);
    pen.clearRect(0, 0, width, height);
    pen.textBaseline = "middle";
    this.axis(scene);
    pen.save();
    pen.beginPath();
    pen.rect(0, axisHeight, width, height - axisHeight);
    pen.clip();
    pen.translate(0, axisHeight - scene.scrolled);
    for (const lane of scene.lanes) this.lane(lane, scene);
    this.arrows(scene);
    pen.restore();
  }

  private axis({ range, labelOf }: Scene): void {
    const { pen, width, height, colours } = this;
    const { stepNs, at } = marks(range, width, 110);
    pen.font = "11px system-ui, sans-serif";
    pen.textAlign = "left";
    for (const ns of at) {
      const x = Math.round(pixelAt(range, ns)) + 0.5;
      pen.fillStyle = colours.line;
      pen.fillRect(x, axisHeight - 6, 1, 6);
      pen.globalAlpha = 0.45;
      pen.fillRect(x, axisHeight, 1, height);
      pen.globalAlpha = 1;
      pen.fillStyle = colours.dim;
      pen.fillText(labelOf(ns, stepNs), x + 4, axisHeight / 2);
    }
    pen.fillStyle = colours.line;
    pen.fillRect(0, axisHeight - 1, width, 1);
  }

  private lane({ title, top, rows, bars, count }: PlacedLane, scene: Scene): void {
    const { pen, colours } = this;
    pen.font = "600 11px system-ui, sans-serif";
    pen.fillStyle = colours.text;
    pen.fillText(title, 10, top + laneTitle / 2 + 1);
    const at = 18 + pen.measureText(title).width;
    pen.font = "11px system-ui, sans-serif";
    pen.fillStyle = colours.faint;
    pen.fillText(count.toLocaleString("en"), at, top + laneTitle / 2 + 1);
    for (const bar of bars) this.bar(bar, top, scene);
    pen.globalAlpha = 0.6;
    pen.fillStyle = colours.line;
    pen.fillRect(0, top + laneTitle + rows * rowHeight + 4, this.width, 1);
    pen.globalAlpha = 1;
  }

  private bar(bar: Bar, top: number, { range, finds, chosen, story }: Scene): void {
    const { pen, colours } = this;
    const y = top + laneTitle + bar.row * rowHeight + 2;
    // What lies far outside, or has no end yet, is cut: no canvas draws what is infinite.
    const left = Math.max(-50, pixelAt(range, bar.startNs));
    const width = Math.max(2, Math.min(this.width + 50, pixelAt(range, bar.endNs)) - left);
    const isFound = finds === null || bar.spans.some(finds);
    const isTold = story.some(({ lane, span }) => lane === bar.lane && bar.spans.includes(span));
    pen.globalAlpha = isFound || isTold ? 1 : 0.15;
    const [span] = bar.spans;
    if (bar.spans.length > 1) this.fold(bar, left, y, width);
    else if (span!.parts.length === 0) this.moment(left, y, span!.isError);
    else for (const part of span!.parts) this.part(part, y, range);
    if (bar.isError) {
      pen.fillStyle = colours.bad;
      pen.fillRect(left, y, width, 3);
    }
    if (width > 34)
      this.label(bar, Math.max(left, 0, textAt(bar, range)) + 5, y, Math.min(left + width, this.width) - 4);
    pen.globalAlpha = 1;
    const isChosen = chosen !== null && chosen.lane === bar.lane && bar.spans.includes(chosen.span);
    if (isChosen || (finds !== null && isFound)) {
      pen.strokeStyle = isChosen ? colours.accent : colours.dim;
      pen.lineWidth = isChosen ? 2 : 1;
      pen.strokeRect(left - 1.5, y - 1, width + 3, barHeight + 2);
    }
  }

  /** Waits are low and pale, work is full, fences are hatched, what is done but not yet seen is a line. */
  private part({ kind, startNs, endNs }: Part, y: number, range: TimeRange): void {
    const { pen, colours } = this;
    const x = Math.max(-50, pixelAt(range, startNs));
    const width = Math.min(this.width + 50, pixelAt(range, endNs)) - x;
    if (width < 0) return;
    const alpha = pen.globalAlpha;
    pen.fillStyle = colours[kind];
    if (kind === "wait") {
      pen.globalAlpha = alpha * 0.55;
      pen.fillRect(x, y + barHeight * 0.3, width, barHeight * 0.4);
    } else if (kind === "answer") {
      pen.fillRect(x, y + barHeight - 2, width, 2);
    } else {
      pen.globalAlpha = alpha * (kind === "fence" ? 0.3 : 0.62);
      pen.fillRect(x, y, Math.max(width, 1.5), barHeight);
      pen.globalAlpha = alpha;
      if (kind === "fence") this.hatch(x, y, width);
    }
    pen.globalAlpha = alpha;
  }

  private hatch(x: number, y: number, width: number): void {
    const { pen, colours } = this;
    const [from, to] = [Math.max(x, 0), Math.min(x + width, this.width)];
    if (to - from < 3) return;
    pen.save();
    pen.beginPath();
    pen.rect(from, y, to - from, barHeight);
    pen.clip();
    pen.beginPath();
    for (let at = from - barHeight - ((from - x) % 8); at < to; at += 8) {
      pen.moveTo(at, y + barHeight);
      pen.lineTo(at + barHeight, y);
    }
    pen.strokeStyle = colours.fence;
    pen.globalAlpha *= 0.6;
    pen.lineWidth = 1;
    pen.stroke();
    pen.restore();
  }

  /** Several as one: below, how their time went. */
  private fold({ spans }: Bar, x: number, y: number, width: number): void {
    const { pen, colours } = this;
    const alpha = pen.globalAlpha;
    const all = [...sums(spans)].filter(([kind]) => kind !== "answer");
    const total = all.reduce((sum, [, ns]) => sum + ns, 0);
    pen.globalAlpha = alpha * 0.32;
    pen.fillStyle = total === 0 ? colours.accent : colours[all.reduce((a, b) => (b[1] > a[1] ? b : a))[0]];
    pen.fillRect(x, y, width, barHeight);
    pen.globalAlpha = alpha;
    let at = x;
    for (const [kind, ns] of all) {
      pen.fillStyle = colours[kind];
      pen.fillRect(at, y + barHeight - 4, (width * ns) / total, 4);
      at += (width * ns) / total;
    }
  }

  private moment(x: number, y: number, isError: boolean): void {
    const { pen, colours } = this;
    const middle = y + barHeight / 2;
    pen.fillStyle = isError ? colours.bad : colours.accent;
    pen.beginPath();
    pen.moveTo(x, middle - 6);
    pen.lineTo(x + 5, middle);
    pen.lineTo(x, middle + 6);
    pen.lineTo(x - 5, middle);
    pen.fill();
  }

  private label({ name, spans }: Bar, x: number, y: number, end: number): void {
    const { pen, colours } = this;
    const text = `${spans.length > 1 ? `${spans.length.toLocaleString("en")} × ` : ""}${name ?? "several"}`;
    if (end - x < 20) return;
    pen.save();
    pen.beginPath();
    pen.rect(x, y, end - x, barHeight);
    pen.clip();
    pen.font = "11px system-ui, sans-serif";
    pen.fillStyle = colours.text;
    pen.fillText(text, x, y + barHeight / 2 + 0.5);
    pen.restore();
  }

  private arrows({ story, lanes, range }: Scene): void {
    const { pen, colours } = this;
    const ends = story.flatMap((place) => endsOf(place, lanes, range));
    pen.strokeStyle = pen.fillStyle = colours.accent;
    pen.lineWidth = 1.5;
    for (const [index, to] of ends.entries()) {
      const from = ends[index - 1];
      if (from === undefined) continue;
      // It leaves where the one was when the other began.
      const left = Math.max(from.left, Math.min(from.right, to.left - 16));
      const bend = Math.max(14, Math.abs(to.left - left) / 3);
      pen.beginPath();
      pen.moveTo(left, from.y);
      pen.bezierCurveTo(left + bend, from.y, to.left - bend, to.y, to.left - 4, to.y);
      pen.stroke();
      pen.beginPath();
      pen.moveTo(to.left, to.y);
      pen.lineTo(to.left - 7, to.y - 3.5);
      pen.lineTo(to.left - 7, to.y + 3.5);
      pen.fill();
    }
  }
}

/** A name stands behind what is low: the wait at the beginning. */
function textAt({ spans }: Bar, range: TimeRange): number {
  const [first] = spans.length === 1 ? spans[0]!.parts : [];
  return first?.kind === "wait" ? pixelAt(range, first.endNs) : 0;
}

/** Where a span's bar begins and ends, empty where it is not drawn. */
function endsOf(
  place: Place,
  lanes: readonly PlacedLane[],
  range: TimeRange,
): { left: number; right: number; y: number }[] {
  const lane = lanes.find(({ id }) => id === place.lane);
  const bar = lane?.bars.find(({ spans }) => spans.includes(place.span));
  if (bar === undefined) return [];
  const y = lane!.top + laneTitle + bar.row * rowHeight + rowHeight / 2;
  return [{ left: pixelAt(range, place.span.startNs), right: pixelAt(range, place.span.endNs), y }];
}
