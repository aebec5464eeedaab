// What a person sees of the timeline at a time, and every way to move it; the canvas is painted when something has changed.

import { signal } from "@preact/signals";
import type { Batch, PictureRecord } from "../../feed.ts";
import { orNull, pastCommands, pastPictures } from "../command-history.ts";
import { wallMs } from "../store.ts";
import { clock, duration } from "../words.ts";
import { barAt, heightOf, type PlacedLane, placed } from "./layout.ts";
import { axisHeight, Painter } from "./painter.ts";
import { Lanes, type Span } from "./spans.ts";
import { fitted, panned, shifted, timeAt, type TimeRange, zoomed } from "./time-range.ts";
import { found, matcher, nearestIn, neighbour, type Place, story } from "./walk.ts";

/** Commands of the history that an opened view begins with, and pictures. */
const historyMax = 3000;
const picturesMax = 6000;
const waitingMax = 64;
const waitingMs = 1000;
/** How often it moves on while nothing happens, and how often while something does. */
const idleMs = 100;
const busyMs = 33;
const summaryMs = 500;

export class Viewer {
  readonly chosen = signal<Place | null>(null);
  /** Spans that are folded into one bar, which was chosen. */
  readonly fold = signal<readonly Span[]>([]);
  readonly isPaused = signal(false);
  readonly isLive = signal(true);
  readonly search = signal("");
  readonly matches = signal(0);
  /** Commands that the feed had no room for. */
  readonly leftOut = signal(0);
  /** What there is of each lane, for those who cannot see the canvas. */
  readonly summary = signal<readonly { title: string; count: number }[]>([]);

  readonly lanes = new Lanes();
  isLost = false;
  private sinceNs = 0;
  private painter: Painter | null = null;
  private range: TimeRange = { startNs: 0, nsPerPixel: 4e5 };
  private scrolled = 0;
  private laid: PlacedLane[] = [];
  private finds: ((span: Span) => boolean) | null = null;
  private told: readonly Place[] = [];
  /** The chosen span whose story was made to fit. */
  private fits: Span | undefined;
  /** The last moment that the feed has told of, and when. */
  private lastNs = 0;
  private lastMs = 0;
  private seenVersion = -1;
  private isDirty = true;
  private paintedMs = 0;
  private toldMs = 0;
  private frame = 0;
  /** What the feed tells of pictures while those before are asked for, so that they come in order; null while none are. */
  private early: PictureRecord[] | null = null;

  /** What was known of a server that is gone, or before `sinceNs`, is nothing of what there is now. */
  async renew(sinceNs: number): Promise<void> {
    if (this.isLost || sinceNs !== this.sinceNs) {
      this.lanes.clear();
      this.lastNs = this.lastMs = 0;
      this.choose(null);
      this.leftOut.value = 0;
    }
    this.isLost = false;
    this.sinceNs = sinceNs;
    await Promise.all([this.load(), this.loadPictures()]);
  }

  /** Shows it on a canvas until what is returned is called. */
  show(canvas: HTMLCanvasElement): () => void {
    const painter = (this.painter = new Painter(canvas));
    const measure = (): void => {
      painter.measure();
      this.isDirty = true;
    };
    const size = new ResizeObserver(measure);
    size.observe(canvas);
    const theme = new MutationObserver(measure);
    theme.observe(document.documentElement, { attributeFilter: ["data-theme"] });
    const tick = (): void => {
      this.frame = requestAnimationFrame(tick);
      this.tick(performance.now());
    };
    tick();
    // The feed tells of commands when they end: those that wait are asked for.
    const waiting = setInterval(
      () => this.isPaused.peek() || void this.load("fenced", waitingMax),
      waitingMs,
    );
    return () => {
      clearInterval(waiting);
      cancelAnimationFrame(this.frame);
      size.disconnect();
      theme.disconnect();
      this.painter = null;
    };
  }

  take(batch: Batch): void {
    if (this.isPaused.peek()) return;
    [this.lastNs, this.lastMs] = [batch.ns, performance.now()];
    this.leftOut.value += batch.commandsFolded ?? 0;
    for (const command of batch.commands ?? []) this.lanes.addCommand(command);
    if (this.early !== null) this.early.push(...(batch.pictures ?? []));
    else for (const picture of batch.pictures ?? []) this.lanes.addPicture(picture);
  }

  /** Takes what the server remembers: what was before, what a pause has missed, what waits for a fence. */
  async load(filter = "", limit = historyMax): Promise<void> {
    for (const command of (await orNull(pastCommands(filter, limit))) ?? []) this.lanes.addCommand(command);
    if (this.lastNs === 0) this.lastNs = this.lanes.range()?.endNs ?? 0;
    if (this.lastMs === 0) this.lastMs = performance.now();
  }

  /** Shows a command by its id, which the server may have to be asked for. */
  async showCommand(id: string): Promise<void> {
    if (this.lanes.command(id) === undefined) await this.load(`id:${id}`, 1);
    const place = this.allLanes((span) => span.command === id);
    if (place !== null) this.choose(place);
  }

  get width(): number {
    return this.painter?.width ?? 1;
  }

  zoom(factor: number, x = this.isLive.peek() ? this.width * 0.9 : this.width / 2): void {
    this.range = zoomed(this.range, factor, x);
    this.isDirty = true;
  }

  pan(pixels: number, rows = 0): void {
    if (pixels !== 0) this.isLive.value = false;
    this.range = panned(this.range, pixels);
    const unseen = heightOf(this.laid) - (this.painter?.height ?? 0) + axisHeight;
    this.scrolled = Math.max(0, Math.min(unseen, this.scrolled + rows));
    this.isDirty = true;
  }

  /** What is chosen with all that came of it; once more, that alone; or all that there is. */
  fit(): void {
    const own = this.chosen.peek()?.span;
    const told = this.told.map(({ span }) => span);
    const some = own === undefined ? [] : this.fits === own || told.length < 2 ? [own] : told;
    this.fits = some.length > 1 ? own : undefined;
    const ends = some.map(({ endNs }) => (Number.isFinite(endNs) ? endNs : this.lastNs));
    const all =
      some.length === 0 ? this.lanes.range() : { startNs: some[0]!.startNs, endNs: Math.max(...ends) };
    if (all === null) return;
    this.isLive.value = false;
    this.range = fitted(all.startNs, all.endNs, this.width);
    this.isDirty = true;
  }

  live(): void {
    if (this.isPaused.peek()) this.pause(false);
    this.isLive.value = true;
  }

  pause(isPaused: boolean): void {
    this.isPaused.value = isPaused;
    if (isPaused) this.isLive.value = false;
    else {
      this.isLive.value = true;
      void Promise.all([this.load(), this.loadPictures()]);
    }
  }

  look(text: string): void {
    this.search.value = text;
    this.finds = matcher(text);
    this.countMatches();
    this.isDirty = true;
  }

  /** To the next match, or the one before. */
  goOn(step: 1 | -1): void {
    const seen = { lane: "", span: { startNs: timeAt(this.range, step === 1 ? 0 : this.width) } };
    const from = this.chosen.peek() ?? seen;
    const { finds } = this;
    if (finds === null) return;
    const lanes = this.lanes.list();
    let place = found(lanes, finds, from, step);
    // What is looked for may have passed by: then the nearest to what is seen.
    if (this.chosen.peek() === null) place ??= found(lanes, finds, null, step === 1 ? -1 : 1);
    if (place !== null) this.choose(place);
  }

  step(way: "before" | "after" | "above" | "below"): void {
    const from = this.chosen.peek();
    const lanes = this.lanes.list();
    if (from !== null) return this.choose(neighbour(lanes, from, way));
    const [first] = lanes;
    const span = first && nearestIn(first, timeAt(this.range, this.width / 2));
    if (span) this.choose({ lane: first.id, span });
  }

  choose(place: Place | null, fold: readonly Span[] = []): void {
    this.chosen.value = place;
    this.fold.value = fold;
    this.told = place === null ? [] : story(this.lanes.list(), place.span.command);
    if (place !== null) {
      this.isLive.value = false;
      if (fold.length === 0) this.range = shifted(this.range, place.span.startNs, this.width);
    }
    this.isDirty = true;
  }

  /** Chooses what is at a point of the canvas, in CSS pixels. */
  chooseAt(x: number, y: number): void {
    const bar = this.at(x, y);
    if (bar === null) this.choose(null);
    else this.choose({ lane: bar.lane, span: bar.spans[0]! }, bar.spans.length > 1 ? bar.spans : []);
  }

  /** A word on what is at a point. */
  hint(x: number, y: number): string {
    const bar = this.at(x, y);
    if (bar === null) return "";
    const names = [...Map.groupBy(bar.spans, ({ name }) => name)].map(([name, { length }]) =>
      length === 1 ? name : `${length} × ${name}`,
    );
    const took = Number.isFinite(bar.endNs) ? duration(bar.endNs - bar.startNs) : "no end yet";
    return `${names.slice(0, 4).join(", ")} · ${took}`;
  }

  /** Units of a CSS pixel. */
  units(pixels: number): number {
    return pixels / (this.painter?.unit ?? 1);
  }

  private async loadPictures(): Promise<void> {
    const early: PictureRecord[] = (this.early = []);
    const past = await orNull(pastPictures(picturesMax));
    // Asked again since, and that answer has what came meanwhile.
    if (this.early !== early) return;
    for (const picture of [...(past ?? []), ...early]) this.lanes.addPicture(picture);
    this.early = null;
  }

  private at(x: number, y: number) {
    const [column, row] = [this.units(x), this.units(y) - axisHeight];
    return row < 0 ? null : barAt(this.laid, this.range, column, row + this.scrolled);
  }

  private allLanes(wanted: (span: Span) => boolean): Place | null {
    return found(this.lanes.list(), wanted, null, 1);
  }

  private countMatches(): void {
    const { finds } = this;
    let count = 0;
    if (finds !== null) for (const { spans } of this.lanes.list()) count += spans.filter(finds).length;
    this.matches.value = count;
  }

  private tick(nowMs: number): void {
    const { painter, lanes, seenVersion } = this;
    const isNew = lanes.version !== seenVersion;
    const isLive = this.isLive.peek() && this.lastNs > 0;
    const isDue = nowMs - this.paintedMs >= (isNew ? busyMs : idleMs);
    if (painter === null || !(this.isDirty || (isDue && (isNew || isLive)))) return;
    if (isLive) this.follow(nowMs);
    if (nowMs - this.toldMs > summaryMs) {
      this.toldMs = nowMs;
      this.countMatches();
      this.summary.value = lanes.list().map(({ title, spans }) => ({ title, count: spans.length }));
    }
    if (isNew && this.chosen.peek() !== null)
      this.told = story(lanes.list(), this.chosen.peek()!.span.command);
    [this.seenVersion, this.isDirty, this.paintedMs] = [lanes.version, false, nowMs];
    this.laid = placed(lanes.list(), this.range, painter.width);
    const { range, scrolled, finds, told } = this;
    const first = Math.ceil(range.startNs / 1e3);
    painter.paint({
      ...{ lanes: this.laid, range, scrolled, finds, story: told, chosen: this.chosen.peek() },
      labelOf: (ns, stepNs) => label(ns, stepNs, first * 1e3),
    });
  }

  /** The last tenth is kept free for what comes. */
  private follow(nowMs: number): void {
    const nowNs = this.lastNs + Math.min(2000, nowMs - this.lastMs) * 1e6;
    this.range = { ...this.range, startNs: nowNs - this.width * 0.9 * this.range.nsPerPixel };
  }
}

/** The clock at the axis' first mark and at each full second, elsewhere how much later it is. */
function label(ns: number, stepNs: number, firstNs: number): string {
  if (stepNs >= 1e9) return clock(wallMs(ns)).slice(0, 8);
  const isFirst = ns - firstNs < stepNs;
  if (isFirst) return clock(wallMs(ns));
  return `+${duration(ns - Math.ceil(firstNs / stepNs) * stepNs)}`;
}
