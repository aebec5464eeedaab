// All sinks of the display: what is told to each, what all of them take, and how far the slowest is.

import type { NativeMemory } from "../../../transport/os/native-memory.ts";
import type { Rect } from "../../../picture/damage.ts";
import type { ActorContext } from "../../runtime/actor.ts";
import type { DisplayMode } from "../../gpu/messages.ts";
import type { Question } from "../scanouts/questions.ts";
import type { Scanout } from "../scanouts/scanout.ts";
import type { AnySurface } from "../surfaces/surfaces.ts";
import { periodOf } from "./frame-rate.ts";
import type { LoadedKind } from "./registry.ts";
import type { Sink, SinkHost, SinkMessage, SinkOpener, Takes } from "./sink.ts";

/** What sinks have of the display, but for what {@link Sinks} gives each itself. */
export type SinkOwner = Omit<SinkHost, "words" | "attach" | "detach" | "takesChanged" | "periodChanged">;

export class Sinks {
  /** Whether some kind lends surfaces in memory by their descriptors. */
  readonly lendsMemory: boolean;
  private readonly context: ActorContext;
  private readonly all = new Set<Sink>();
  private readonly openers: SinkOpener[] = [];
  /** What the ctrl queue was told last, for a successor too: bit 0 for dma-bufs and bit 1 for modifiers. */
  private readonly told: Int32Array;
  /** Where the queues see how often a change is worth a message: microseconds, 0 without a limit. */
  private readonly area: NativeMemory;
  private readonly period: Int32Array;
  /** Bit n: scanout n has damage that some sink has yet to show. */
  private stale = 0;

  /** Opens the sinks that the settings ask for. `words` are kept for a successor. */
  constructor(
    private readonly owner: SinkOwner,
    kinds: readonly LoadedKind[],
    words: Int32Array,
  ) {
    this.context = owner.context;
    this.lendsMemory = kinds.some(({ kind }) => kind.lendsMemory);
    let at = 0;
    const next = (count: number): Int32Array => words.subarray(at, (at += count));
    const hosts = kinds.map(({ kind }) => this.hostOf(next(kind.keepWords)));
    this.told = next(1);
    this.area = this.context.area("display-period", "write");
    this.period = new Int32Array(this.area.view());
    this.tellPeriod();
    kinds.forEach(({ Opener }, index) => this.openers.push(new Opener(hosts[index]!)));
  }

  /** Opens and closes sinks, as the message says. */
  receive(message: SinkMessage): void {
    for (const opener of this.openers) opener.receive?.(message);
    this.tellTakes();
  }

  /** Whether there is none. */
  get isEmpty(): boolean {
    return this.all.size === 0;
  }

  /** The outputs as one of them says that they are; null where none does. */
  get outputs(): readonly DisplayMode[] | null {
    return this.authority?.outputs ?? null;
  }

  /** Has a sink answer, if one says what the outputs are. Returns whether there was one. */
  ask(question: Question): boolean {
    const { authority } = this;
    authority?.ask?.(question);
    return authority !== undefined;
  }

  /** `scanout` shows another view, or nothing. */
  scanout(scanout: Scanout): void {
    for (const sink of this.all) sink.scanout(scanout);
    if (scanout.view !== null) this.damaged(scanout, scanout.view.surface);
  }

  /** Some of `scanout`'s view has changed. */
  update(scanout: Scanout, damage: Rect): void {
    for (const sink of this.all) sink.update(scanout, damage);
    this.damaged(scanout, scanout.view!.surface);
  }

  cursor(scanout: Scanout): void {
    for (const sink of this.all) sink.cursor(scanout);
  }

  cursorMove(scanout: Scanout): void {
    for (const sink of this.all) sink.cursorMove(scanout);
  }

  /** The ctrl queue wants `surface` back, which no scanout shows any more. */
  dropped(surface: AnySurface): void {
    for (const sink of this.all) sink.dropped?.(surface);
  }

  /** Lets each send what its other side takes. Returns whether some could go on at once. */
  pump(): boolean {
    let more = false;
    for (const sink of this.all) more = sink.pump() || more;
    if (this.stale !== 0) this.settle();
    return more;
  }

  describe(): Record<string, unknown>[] {
    return [...this.all].map((sink) => sink.describe());
  }

  close(): void {
    for (const sink of this.all) sink.close();
    this.all.clear();
    // Nobody is to wait for a display that is gone.
    this.period[0] = 0;
    this.area.unmap();
  }

  private hostOf(words: Int32Array): SinkHost {
    return {
      ...this.owner,
      words,
      attach: (sink) => this.attach(sink),
      detach: (sink) => {
        this.all.delete(sink);
        this.tellPeriod();
      },
      takesChanged: () => this.tellTakes(),
      periodChanged: () => this.tellPeriod(),
    };
  }

  /** Tells a new sink what is shown already. */
  private attach(sink: Sink): void {
    this.all.add(sink);
    this.tellPeriod();
    for (const scanout of this.owner.scanouts) {
      if (scanout.isKnown) sink.scanout(scanout);
      if (scanout.cursor.isVisible) sink.cursor(scanout);
      else if (scanout.cursor.isTakenBack) sink.cursorMove(scanout);
      if (scanout.view !== null) this.stale |= 1 << scanout.id;
    }
  }

  private get authority(): Sink | undefined {
    for (const sink of this.all) if (sink.ask !== undefined) return sink;
    return undefined;
  }

  /** There is another ctrl queue, which takes it that nothing but memory can be shown. */
  tellTakesAgain(): void {
    // Whoever was there before could write there.
    this.tellPeriod();
    this.told[0] = 0;
    this.tellTakes();
  }

  /** Tells the ctrl queue which surfaces can be shown, where it does not know it from us or a predecessor. */
  private tellTakes(): void {
    const { dmabuf, modifiers } = this.takes;
    const takes = (dmabuf ? 1 : 0) | (modifiers ? 2 : 0);
    if (this.told[0] === takes) return;
    this.told[0] = takes;
    this.context.send("ctrl-queue", { type: "sinks-changed", dmabuf, modifiers });
  }

  /** Tells the queues the period of the fastest sink; without any, as often as one would show it. */
  private tellPeriod(): void {
    let periodMs = this.all.size === 0 ? periodOf(this.context.config) : Infinity;
    for (const sink of this.all) periodMs = Math.min(periodMs, sink.periodMs);
    Atomics.store(this.period, 0, Math.round(periodMs * 1000));
  }

  /** What every sink takes. */
  private get takes(): Takes {
    const all = [...this.all].map(({ takes }) => takes);
    return {
      dmabuf: all.length > 0 && all.every(({ dmabuf }) => dmabuf),
      modifiers: all.length > 0 && all.every(({ modifiers }) => modifiers),
    };
  }

  private damaged(scanout: Scanout, surface: AnySurface): void {
    surface.damaged();
    this.stale |= 1 << scanout.id;
  }

  /** Tells surfaces that every sink shows their latest damage. */
  private settle(): void {
    const { scanouts } = this.owner;
    const before = this.stale;
    for (const scanout of scanouts) {
      if (before & (1 << scanout.id) && !this.isBehind(scanout)) this.stale &= ~(1 << scanout.id);
    }
    if (this.stale === before) return;
    for (const { id, view } of scanouts) {
      const surface = view?.surface;
      if (surface?.isStale && !(this.stale & (1 << id)) && !this.isStaleElsewhere(surface))
        surface.presented();
    }
  }

  private isBehind(scanout: Scanout): boolean {
    for (const sink of this.all) if (sink.isBehind(scanout)) return true;
    return false;
  }

  private isStaleElsewhere(surface: AnySurface): boolean {
    return this.owner.scanouts.some(({ id, view }) => view?.surface === surface && this.stale & (1 << id));
  }
}
