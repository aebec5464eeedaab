// Shows each scanout in a window of a Wayland compositor. The compositor may be late, come and go: the guest and the
// other sinks don't notice. What changes while it does not look is merged.

import { SystemError } from "../../../../transport/os/errors.ts";
import { connectUnix } from "../../../../transport/os/unix-path.ts";
import type { SocketIo } from "../../../../transport/os/unix-socket.ts";
import { scanoutsMax } from "../../../../transport/wire/virtio-gpu/protocol.ts";
import type { Rect } from "../../../../picture/damage.ts";
import type { ActorContext } from "../../../runtime/actor.ts";
import { Pacer } from "../../../runtime/pacer.ts";
import { FrameCounters } from "../frame-counters.ts";
import { periodOf } from "../frame-rate.ts";
import type { Scanout } from "../../scanouts/scanout.ts";
import type { AnySurface } from "../../surfaces/surfaces.ts";
import type { Sink, Takes } from "../sink.ts";
import { Compositor, type CompositorEvents } from "./compositor.ts";
import { Pointer } from "./pointer.ts";
import { Window } from "./window.ts";

export interface WaylandSinkOptions {
  context: ActorContext;
  io: SocketIo;
  /** The compositor's socket. */
  path: string;
  /** What the windows are called, before the number of their scanout. */
  title: string;
  scanouts: readonly Scanout[];
  /** What {@link WaylandSink.takes} says is another. */
  takesChanged: () => void;
  /** What {@link WaylandSink.periodMs} says is another. */
  periodChanged: () => void;
  /** Somebody gave a window another size, which the guest may like to fill. */
  resized: (scanout: number, width: number, height: number) => void;
  /** Somebody closed a window. */
  closed: (scanout: number) => void;
}

/** How often a compositor that is not there is looked for. */
const retryMs = 1_000;
/** How long a window outlives its picture: a guest turns its screen off while it changes the mode. */
const graceMs = 1_000;
/** A window that is being drawn larger by hand has a new size many times a second. */
const settleMs = 100;

export class WaylandSink implements Sink {
  readonly name = "wayland";
  private readonly counters: FrameCounters;
  private readonly pacer: Pacer;
  private compositor: Compositor | null = null;
  private readonly windows = new Map<number, Window>();
  /** Windows whose scanout is off, and what keeps them from being closed. */
  private readonly closing = new Map<number, () => void>();
  private readonly settling = new Map<number, () => void>();
  private readonly pointers: Pointer[] = [];
  private cancelRetry: () => void = () => undefined;
  private lastFailure = "";
  /** Until the compositor fails to import one, as where it draws on another GPU: it ends the connection then. */
  private lendsDmabufs = true;
  private isClosed = false;

  constructor(private readonly options: WaylandSinkOptions) {
    const { timers, config } = options.context;
    this.counters = new FrameCounters(options.context, this.name);
    this.pacer = new Pacer(timers, scanoutsMax);
    // The compositor's frame callbacks are pace enough.
    this.pacer.periodMs = config.frameRate === undefined ? 0 : periodOf(config);
    this.connect();
  }

  /** Whether the compositor shows dma-bufs; it is told the modifier of each. */
  get takes(): Takes {
    const { compositor } = this;
    const dmabuf = compositor?.isReady === true && compositor.dmabufs !== null && !compositor.dmabufs.isEmpty;
    return { dmabuf, modifiers: dmabuf };
  }

  /** Its frames have a beat of their own: a change that comes twice as often is not much older than one by then. */
  get periodMs(): number {
    const { config } = this.options.context;
    if (config.frameRate !== undefined) return periodOf(config);
    return periodOf(config, this.compositor?.refreshHz) / 2;
  }

  scanout(scanout: Scanout): void {
    const { id, view } = scanout;
    if (view === null) return this.closeLater(id);
    this.closing.get(id)?.();
    this.closing.delete(id);
    const window = this.windows.get(id);
    if (window !== undefined) window.change();
    else if (this.compositor?.isReady) this.open(scanout, this.compositor);
  }

  update({ id }: Scanout, damage: Rect): void {
    const window = this.windows.get(id);
    if (window?.isBehind) this.counters.merge();
    window?.add(damage);
  }

  cursor(scanout: Scanout): void {
    for (const pointer of this.pointers) pointer.loaded(scanout);
  }

  cursorMove(scanout: Scanout): void {
    for (const pointer of this.pointers) pointer.moved(scanout);
  }

  dropped(surface: AnySurface): void {
    for (const window of this.windows.values()) window.dropped(surface);
  }

  pump(): boolean {
    return this.compositor?.pump(this.present) ?? false;
  }

  isBehind({ id }: Scanout): boolean {
    return this.windows.get(id)?.isBehind ?? false;
  }

  describe(): Record<string, unknown> {
    const { dmabuf } = this.takes;
    const { frames, merged } = this.counters;
    return {
      sink: this.name,
      connected: this.compositor?.isReady ?? false,
      dmabuf,
      frames,
      merged,
      windows: [...this.windows.values()].map((window) => window.describe()),
    };
  }

  close(): void {
    this.isClosed = true;
    this.cancelRetry();
    for (const id of this.windows.keys()) this.closeWindow(id);
    // The compositor closes what it is not told of.
    this.compositor?.flush();
    this.compositor?.close();
    this.pacer.close();
    this.forget();
  }

  private readonly present = (): void => {
    for (const [id, window] of this.windows) if (window.present()) this.counters.frame(id, 0);
    for (const pointer of this.pointers) pointer.present();
  };

  private connect(): void {
    const { context, io, path, scanouts, takesChanged, periodChanged } = this.options;
    let socket: number;
    try {
      socket = connectUnix(path, "stream", false);
    } catch (error) {
      if (!(error instanceof SystemError)) throw error;
      return this.retry(error.message);
    }
    const events: CompositorEvents = {
      ready: () => {
        context.log.info(`showing windows on ${path}`);
        this.lastFailure = "";
        for (const scanout of scanouts) if (scanout.view !== null) this.open(scanout, compositor);
        takesChanged();
        periodChanged();
      },
      lost: (reason, isForDmabuf) => {
        if (isForDmabuf) this.lendsDmabufs = false;
        this.forget();
        this.retry(`lost ${path}: ${reason}`);
        takesChanged();
      },
      dmabufsChanged: takesChanged,
      refreshChanged: periodChanged,
      seat: (seat) => {
        this.pointers.push(new Pointer(compositor, seat, (surface) => this.placeOf(surface)));
      },
    };
    const compositor = new Compositor(context, io, socket, events, this.lendsDmabufs);
    this.compositor = compositor;
  }

  /** Tries again later; says why once, and not each time. */
  private retry(failure: string): void {
    if (this.isClosed) return;
    const { log, timers } = this.options.context;
    if (failure !== this.lastFailure) log.warning(`no window: ${failure}; it is tried again every second`);
    this.lastFailure = failure;
    this.cancelRetry = timers.after(retryMs, () => this.connect());
  }

  /** Lets go of everything that belonged to a connection that is over. */
  private forget(): void {
    for (const cancel of [...this.closing.values(), ...this.settling.values()]) cancel();
    this.closing.clear();
    this.settling.clear();
    for (const pointer of this.pointers.splice(0)) pointer.abandon();
    const windows = [...this.windows.values()];
    this.windows.clear();
    for (const window of windows) window.abandon();
    this.compositor = null;
  }

  private open(scanout: Scanout, compositor: Compositor): void {
    const { options } = this;
    const { id } = scanout;
    const window = new Window(compositor, scanout, `${options.title} — scanout ${id}`, this.pacer, {
      closed: () => options.closed(id),
      begins: (view, damage) => this.counters.begin(id, view, damage),
      resized: (width, height) => this.resized(scanout, width, height),
      rescaled: () => {
        for (const pointer of this.pointers) pointer.rescaled(window);
      },
      failed: (reason) =>
        options.context.log.guest(() => `scanout ${id} cannot be shown in its window: ${reason}`),
    });
    this.windows.set(id, window);
  }

  private resized({ id, view }: Scanout, width: number, height: number): void {
    this.settling.get(id)?.();
    this.settling.delete(id);
    if (view?.width === width && view.height === height) return;
    const settled = (): void => {
      this.settling.delete(id);
      this.options.resized(id, width, height);
    };
    this.settling.set(id, this.options.context.timers.after(settleMs, settled));
  }

  private closeLater(id: number): void {
    if (!this.windows.has(id) || this.closing.has(id)) return;
    const close = (): void => {
      this.closing.delete(id);
      this.closeWindow(id);
    };
    this.closing.set(id, this.options.context.timers.after(graceMs, close));
  }

  private closeWindow(id: number): void {
    const window = this.windows.get(id)!;
    this.windows.delete(id);
    for (const pointer of this.pointers) pointer.left(window);
    window.close();
  }

  private placeOf(surface: unknown): { window: Window; scanout: Scanout } | null {
    for (const [id, window] of this.windows) {
      if (window.surface === surface) return { window, scanout: this.options.scanouts[id]! };
    }
    return null;
  }
}
