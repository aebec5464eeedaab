// The display actor: keeps what every scanout shows and tells the sinks, which send it at their own pace.

import { SystemError } from "../../transport/os/errors.ts";
import { closeFd } from "../../transport/os/fds.ts";
import { SocketIo } from "../../transport/os/unix-socket.ts";
import { StreamWord } from "../../transport/wire/vhost-user-gpu/stream-words.ts";
import { scanoutsMax } from "../../transport/wire/virtio-gpu/protocol.ts";
import { RESTARTS_MAX } from "../machines/actor.ts";
import type { DisplayMessage } from "./messages.ts";
import type { Actor, ActorContext } from "../runtime/actor.ts";
import { Counter } from "./counters.ts";
import { Cursors } from "./cursors.ts";
import { describeScanouts } from "./description.ts";
import { DmabufSurface } from "./surfaces/dmabuf-surface.ts";
import { MemorySurface } from "./surfaces/memory-surface.ts";
import { configuredModes, resizeMode } from "./outputs.ts";
import { type Answer, answerFrom, type Question } from "./questions.ts";
import { type AnySurface, Scanout } from "./scanout.ts";
import { attach, type Sink } from "./sinks/sink.ts";
import { takeSnapshot } from "./snapshot.ts";
import { type Surface, UnreadableSurface } from "./surfaces/surface.ts";
import { VmmSink } from "./sinks/vmm/vmm-sink.ts";
import type { WaylandSink } from "./sinks/wayland/wayland-sink.ts";

type MessageOf<Type extends DisplayMessage["type"]> = Extract<DisplayMessage, { type: Type }>;

/** The word behind the stream's: what the ctrl queue was told last, bit 0 for dma-bufs and bit 1 for modifiers. */
const toldTakes = StreamWord.count;

/** So many displays may go on with one socket, one less than may be restarted at all: the last one lives without it. */
const takeoversMax = RESTARTS_MAX - 1;
/** How long a display must live for the crashes before it to be forgiven. */
const settledMs = 10_000;

export class Display implements Actor<DisplayMessage> {
  private readonly scanouts = Array.from({ length: scanoutsMax }, (_, id) => new Scanout(id));
  private readonly surfaces = new Map<number, AnySurface>();
  private readonly sinks = new Set<Sink>();
  private readonly io = new SocketIo();
  private readonly questions: Question[] = [];
  private readonly cursors: Cursors;
  private readonly modes;
  private readonly answer: Answer;
  private vmm: VmmSink | null = null;
  private wayland: WaylandSink | null = null;
  /** Bit n: scanout n has damage that some sink has yet to show. */
  private stale = 0;

  /** `windows` shows scanouts on a Wayland compositor, where the settings name one. */
  constructor(
    private readonly context: ActorContext,
    windows: typeof WaylandSink | null = null,
  ) {
    this.cursors = new Cursors(
      this.scanouts,
      context.counters,
      (scanout) => this.sinks.forEach((sink) => sink.cursor(scanout)),
      (scanout) => this.sinks.forEach((sink) => sink.cursorMove(scanout)),
    );
    this.modes = configuredModes(context.config.outputs);
    this.answer = {
      modes: (token, modes) => context.send("ctrl-queue", { type: "display-info", token, modes: [...modes] }),
      edid: (token, edid) => context.send("ctrl-queue", { type: "edid", token, edid }),
    };
    const { wayland } = context.config;
    if (windows !== null && wayland !== undefined) this.openWindows(windows, wayland);
  }

  receive(message: DisplayMessage): void {
    switch (message.type) {
      case "flush":
        return this.flush(message);
      case "cursor-move":
      case "cursor-hide":
        return this.cursors.move(message);
      case "cursor":
        return this.cursors.load(message);
      case "scanout":
        return this.show(message);
      case "scanout-off":
        return this.turnOff(this.scanouts[message.scanout]!);
      case "surface":
      case "dmabuf-surface":
        return this.addSurface(message);
      case "surface-drop":
        return this.dropSurface(message.surface);
      case "display-info":
      case "edid":
        this.questions.push(message);
        return;
      case "cursor-pool":
        return this.cursors.mapPool(message);
      case "vmm-socket":
        return this.openVmm(message);
      case "vmm-socket-closed":
        return this.closeVmm();
      case "snapshot":
        return this.snapshot(message);
      case "describe":
        return this.describe(message.token);
    }
  }

  turn(): boolean {
    if (this.questions.length > 0) this.askQuestions();
    let more = false;
    for (const sink of this.sinks) more = sink.pump() || more;
    if (this.stale !== 0) this.settle();
    // While there is always more to do the loop never sleeps, and so never sees the sockets.
    if (more) this.context.epoll.wait(0);
    return more;
  }

  stop(): void {
    for (const sink of this.sinks) sink.close();
    this.sinks.clear();
    for (const surface of this.surfaces.values()) surface.discard();
    this.cursors.free();
    this.io.close();
  }

  private addSurface(message: MessageOf<"surface" | "dmabuf-surface">): void {
    // A sender that restores this display may have said it already.
    if (this.surfaces.has(message.surface)) return closeFd(message.fd);
    const released = ({ id }: Surface): void => {
      this.surfaces.delete(id);
      this.context.counters[Counter.surfaces] = this.surfaces.size;
      this.context.send("ctrl-queue", { type: "surface-released", surface: id });
    };
    const surface =
      message.type === "surface"
        ? new MemorySurface(message, released, this.wayland !== null)
        : new DmabufSurface(message, released);
    this.surfaces.set(surface.id, surface);
    this.context.counters[Counter.surfaces] = this.surfaces.size;
    if (!surface.isUsable) {
      this.context.log.error(`surface ${surface.id} can't be shown: ${surface.failure}`);
    }
  }

  private dropSurface(id: number): void {
    const surface = this.surfaces.get(id);
    if (surface === undefined) {
      // A predecessor had it, and is gone with its mapping.
      return this.context.send("ctrl-queue", { type: "surface-released", surface: id });
    }
    for (const scanout of this.scanouts) {
      if (scanout.view?.surface === surface) this.turnOff(scanout);
    }
    surface.drop();
    for (const sink of this.sinks) sink.dropped?.(surface);
  }

  private show({ scanout: id, surface: surfaceId, x, y, width, height }: MessageOf<"scanout">): void {
    const surface = this.surfaces.get(surfaceId);
    const scanout = this.scanouts[id]!;
    if (surface === undefined || !surface.isUsable) {
      // Unknown: sent before the sender began to restore this display. Unusable: said when it came.
      return this.turnOff(scanout);
    }
    const view = { surface, x, y, width, height };
    if (!surface.contains(view)) {
      throw new RangeError(`scanout ${id} shows ${width}x${height}+${x}+${y} of surface ${surfaceId}`);
    }
    this.context.counters[Counter.scanouts]!++;
    scanout.view = view;
    scanout.isKnown = true;
    for (const sink of this.sinks) sink.scanout(scanout);
    this.damaged(scanout, surface);
  }

  private turnOff(scanout: Scanout): void {
    scanout.view = null;
    scanout.isKnown = true;
    for (const sink of this.sinks) sink.scanout(scanout);
  }

  private flush(message: MessageOf<"flush">): void {
    const scanout = this.scanouts[message.scanout]!;
    const { view } = scanout;
    if (view === null) return;
    const { x, y, width, height } = message;
    if (x + width > view.width || y + height > view.height) {
      throw new RangeError(`damage ${width}x${height}+${x}+${y} is outside of scanout ${scanout.id}`);
    }
    this.context.counters[Counter.flushes]!++;
    for (const sink of this.sinks) sink.update(scanout, message);
    this.damaged(scanout, view.surface);
  }

  private damaged(scanout: Scanout, surface: AnySurface): void {
    surface.damaged();
    this.stale |= 1 << scanout.id;
  }

  private openVmm({ fd, resumed }: MessageOf<"vmm-socket">): void {
    this.dropVmm();
    if (resumed && !this.mayTakeOver()) closeFd(fd);
    else this.attachVmm(fd, resumed);
    this.tellTakes();
  }

  private attachVmm(socket: number, resumed: boolean): void {
    const { context, io, scanouts, modes, answer } = this;
    let sink: VmmSink;
    try {
      sink = new VmmSink({
        context,
        io,
        socket,
        resumed,
        scanouts,
        modes,
        answer,
        negotiated: () => this.tellTakes(),
        died: () => {
          this.sinks.delete(sink);
          this.vmm = null;
          this.tellTakes();
        },
      });
    } catch (error) {
      if (!(error instanceof SystemError)) throw error;
      closeFd(socket);
      context.keep[StreamWord.broken] = 1;
      context.log.warning(`giving up the VMM's display: ${error.message}`);
      return;
    }
    this.vmm = sink;
    this.sinks.add(sink);
    attach(sink, scanouts);
    for (const { id, view } of scanouts) if (view !== null) this.stale |= 1 << id;
  }

  /**
   * Whether the socket that a crashed display was using is to be used again: not where it broke, nor for ever. What came
   * from it may be what each of them dies of, and the guest must not lose its device for it.
   */
  private mayTakeOver(): boolean {
    const { keep, log, timers } = this.context;
    if (keep[StreamWord.broken] === 1) return false;
    keep[StreamWord.takeovers]!++;
    if (keep[StreamWord.takeovers]! > takeoversMax) {
      keep[StreamWord.broken] = 1;
      log.error(
        `giving up the VMM's display: ${takeoversMax + 1} display actors in a row have crashed with it`,
      );
      return false;
    }
    timers.after(settledMs, () => (keep[StreamWord.takeovers] = 0));
    return true;
  }

  private openWindows(windows: typeof WaylandSink, path: string): void {
    const { context, io, scanouts } = this;
    this.wayland = new windows({
      context,
      io,
      path,
      title: "Fencepost",
      scanouts,
      takesChanged: () => this.tellTakes(),
      resized: (scanout, width, height) => this.prefer(scanout, width, height),
      closed: () => context.send("supervisor", { type: "shutdown", reason: "its window was closed" }),
    });
    this.sinks.add(this.wayland);
  }

  /** Offers the guest another mode. Where the VMM shows the picture, that is what says the modes. */
  private prefer(scanout: number, width: number, height: number): void {
    if (this.vmm !== null || scanout >= this.modes.length) return;
    resizeMode(this.modes, scanout, width, height);
    this.context.send("vhost-session", { type: "display-changed" });
  }

  private closeVmm(): void {
    this.dropVmm();
    this.tellTakes();
  }

  private dropVmm(): void {
    if (this.vmm === null) return;
    this.sinks.delete(this.vmm);
    this.vmm.hangUp();
    this.vmm = null;
    this.context.tidy();
  }

  /** Tells the ctrl queue which surfaces can be shown, where it does not know it from us or a predecessor. */
  private tellTakes(): void {
    const { keep } = this.context;
    const { dmabuf, modifiers } = this.takes;
    const takes = (dmabuf ? 1 : 0) | (modifiers ? 2 : 0);
    if (keep[toldTakes] === takes) return;
    keep[toldTakes] = takes;
    this.context.send("ctrl-queue", { type: "display-takes", dmabuf, modifiers });
  }

  /** Which dma-bufs every sink shows. */
  private get takes(): { dmabuf: boolean; modifiers: boolean } {
    const all = [this.vmm, this.wayland].flatMap((sink) => sink?.takes ?? []);
    const every = (has: (one: { dmabuf: boolean; modifiers: boolean }) => boolean): boolean =>
      all.length > 0 && all.every(has);
    return { dmabuf: every(({ dmabuf }) => dmabuf), modifiers: every(({ modifiers }) => modifiers) };
  }

  private askQuestions(): void {
    // The VMM's socket may have come after this turn's messages were taken, but before the guest asked.
    if (this.context.isRung()) this.context.drain();
    for (const question of this.questions.splice(0)) {
      this.context.counters[Counter.questions]!++;
      if (this.vmm !== null) this.vmm.ask(question);
      else answerFrom(this.modes, question, this.answer);
    }
  }

  private snapshot({ token, scanout }: MessageOf<"snapshot">): void {
    const { view } = this.scanouts[scanout]!;
    this.context.counters[Counter.snapshots]!++;
    const { width, height } = view ?? { width: 0, height: 0 };
    let fd = -1;
    let error = view === null ? `scanout ${scanout} is off` : "";
    try {
      if (view !== null) fd = takeSnapshot(view);
    } catch (cause) {
      if (!(cause instanceof SystemError) && !(cause instanceof UnreadableSurface)) throw cause;
      error = `no picture of scanout ${scanout}: ${cause.message}`;
    }
    this.context.send("supervisor", { type: "snapshot", token, fd, width, height, error });
  }

  private describe(token: number): void {
    const state = {
      scanouts: describeScanouts(this.scanouts),
      surfaces: this.surfaces.size,
      sinks: [...this.sinks].map((sink) => sink.describe()),
    };
    this.context.send("supervisor", { type: "description", token, state });
  }

  /** Tells surfaces that every sink shows their latest damage. */
  private settle(): void {
    const before = this.stale;
    for (const scanout of this.scanouts) {
      if (before & (1 << scanout.id) && !this.isBehind(scanout)) this.stale &= ~(1 << scanout.id);
    }
    if (this.stale === before) return;
    for (const { id, view } of this.scanouts) {
      const surface = view?.surface;
      if (surface?.isStale && !(this.stale & (1 << id)) && !this.isStaleElsewhere(surface))
        surface.presented();
    }
  }

  private isBehind(scanout: Scanout): boolean {
    for (const sink of this.sinks) if (sink.isBehind(scanout)) return true;
    return false;
  }

  private isStaleElsewhere(surface: AnySurface): boolean {
    return this.scanouts.some(({ id, view }) => view?.surface === surface && this.stale & (1 << id));
  }
}
