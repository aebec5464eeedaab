// One connection to a Wayland compositor: what it offers, and when it has said all of it.

import { EPOLLET, EPOLLIN, EPOLLOUT } from "../../../../transport/os/epoll.ts";
import { SystemError } from "../../../../transport/os/errors.ts";
import type { SocketIo } from "../../../../transport/os/unix-socket.ts";
import { ReportedError, WaylandConnection } from "../../../../transport/wire/wayland/connection.ts";
import type { Named, WaylandObject } from "../../../../transport/wire/wayland/object.ts";
import {
  WlCompositor,
  WlOutput,
  WlSeat,
  WlShm,
  WpFractionalScaleManagerV1,
  WpViewporter,
  XdgWmBase,
  ZwpLinuxBufferParamsV1,
  ZwpLinuxDmabufV1,
  ZxdgDecorationManagerV1,
} from "../../../../transport/wire/wayland/protocol.ts";
import { WaylandError } from "../../../../transport/wire/wayland/wire.ts";
import type { ActorContext } from "../../../runtime/actor.ts";
import { DmabufFormats, formatsMax } from "./dmabuf-formats.ts";

export interface CompositorEvents {
  /** All globals that windows need are there. */
  ready(): void;
  /** The connection is over and closed; `reason` is a clause for the log, `isForDmabuf` whether a dma-buf is to blame. */
  lost(reason: string, isForDmabuf: boolean): void;
  seat(seat: WlSeat): void;
  /** It shows other dma-bufs than before. */
  dmabufsChanged(): void;
  /** {@link Compositor.refreshHz} is another. */
  refreshChanged(): void;
}

/** The oldest wl_compositor whose surfaces take damage in pixels of the buffer. */
const compositorVersionMin = 4;
/** WL_OUTPUT_MODE_CURRENT. */
const currentMode = 1;

export class Compositor {
  compositor: WlCompositor | null = null;
  shm: WlShm | null = null;
  wmBase: XdgWmBase | null = null;
  viewporter: WpViewporter | null = null;
  fractionalScale: WpFractionalScaleManagerV1 | null = null;
  decorations: ZxdgDecorationManagerV1 | null = null;
  dmabufs: DmabufFormats | null = null;
  /** Codes of wl_shm. */
  readonly shmFormats = new Set<number>();
  /** The integer scale of each output. */
  readonly outputScales = new Map<WlOutput, number>();
  /** That of its fastest output; undefined while none has said it. */
  refreshHz: number | undefined;
  isReady = false;
  private readonly connection: WaylandConnection;
  private isBlocked = false;
  /** Whether events may wait in the socket, which tells of them only once. */
  private hasMore = false;
  private isClosed = false;

  /** Takes over `socket`, which must be connected and non-blocking. Without `lendsDmabufs` it is given none. */
  constructor(
    private readonly context: ActorContext,
    io: SocketIo,
    private readonly socket: number,
    private readonly events: CompositorEvents,
    private readonly lendsDmabufs: boolean,
  ) {
    this.connection = new WaylandConnection(io, socket);
    const registry = this.connection.display.getRegistry();
    registry.listener = {
      global: (name, interfaceName, version) => {
        this.bind(interfaceName, version, (type, spoken) => registry.bind(name, type, spoken));
      },
    };
    // The first answer comes after all globals, the second after what those have said of themselves.
    this.roundTrip(() => this.roundTrip(() => this.check()));
    // Edge-triggered: room in the socket matters only after it was full.
    context.epoll.add(socket, EPOLLIN | EPOLLOUT | EPOLLET, (ready) => this.serve(ready));
  }

  /**
   * Takes what waits in the socket, as much as one turn may, then lets `present` say what is new, and sends what the
   * socket takes. Never waits. Returns whether there is more to take at once.
   */
  pump(present: () => void): boolean {
    if (this.hasMore) this.receive();
    if (!this.isClosed) this.guard(present);
    this.flush();
    return this.hasMore && !this.isClosed;
  }

  /** Sends what the socket takes; never waits. */
  flush(): void {
    if (this.isBlocked || this.isClosed) return;
    this.guard(() => {
      this.isBlocked = !this.connection.flush();
    });
  }

  close(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.isReady = false;
    this.context.epoll.remove(this.socket);
    this.connection.close();
  }

  private serve(ready: number): void {
    if (ready & EPOLLOUT) this.isBlocked = false;
    if (ready !== EPOLLOUT) this.receive();
  }

  private receive(): void {
    this.guard(() => {
      const received = this.connection.receive();
      this.hasMore = received === "more";
      if (received === "closed") this.lose("it hung up");
    });
  }

  private roundTrip(done: () => void): void {
    this.connection.display.sync().listener = { done };
  }

  private bind(
    name: string,
    version: number,
    bindTo: <Type extends WaylandObject>(type: Named<Type>, version: number) => Type,
  ): void {
    const bind = <Type extends WaylandObject>(type: Named<Type>): Type =>
      bindTo(type, Math.min(version, type.interface.version));
    switch (name) {
      case WlCompositor.interface.name:
        if (version >= compositorVersionMin) this.compositor = bind(WlCompositor);
        return;
      case WlShm.interface.name:
        this.shm = bind(WlShm);
        this.shm.listener = { format: (format) => this.addShmFormat(format) };
        return;
      case XdgWmBase.interface.name: {
        const wmBase = bind(XdgWmBase);
        wmBase.listener = { ping: (serial) => wmBase.pong(serial) };
        this.wmBase = wmBase;
        return;
      }
      case WpViewporter.interface.name:
        this.viewporter = bind(WpViewporter);
        return;
      case WpFractionalScaleManagerV1.interface.name:
        this.fractionalScale = bind(WpFractionalScaleManagerV1);
        return;
      case ZxdgDecorationManagerV1.interface.name:
        this.decorations = bind(ZxdgDecorationManagerV1);
        return;
      case ZwpLinuxDmabufV1.interface.name:
        // Older ones tell no modifiers.
        if (this.lendsDmabufs && version >= DmabufFormats.versionMin) {
          const changed = (): void => {
            if (this.isReady) this.events.dmabufsChanged();
          };
          this.dmabufs = new DmabufFormats(bind(ZwpLinuxDmabufV1), changed);
        }
        return;
      case WlSeat.interface.name:
        return this.events.seat(bind(WlSeat));
      case WlOutput.interface.name:
        return this.listen(bind(WlOutput));
    }
  }

  private listen(output: WlOutput): void {
    output.listener = {
      scale: (factor) => this.outputScales.set(output, Math.max(1, factor)),
      mode: (flags, _width, _height, milliHz) => {
        if ((flags & currentMode) !== 0) this.refreshes(milliHz / 1000);
      },
    };
  }

  private refreshes(hz: number): void {
    if (hz <= (this.refreshHz ?? 0)) return;
    this.refreshHz = hz;
    if (this.isReady) this.events.refreshChanged();
  }

  private addShmFormat(format: number): void {
    this.shmFormats.add(format);
    if (this.shmFormats.size > formatsMax) throw new WaylandError("it has no end of formats");
  }

  private check(): void {
    const { compositor, shm, wmBase } = this;
    const needed = {
      [`wl_compositor ${compositorVersionMin}`]: compositor,
      wl_shm: shm,
      xdg_wm_base: wmBase,
    };
    const missing = Object.entries(needed).flatMap(([name, global]) => (global === null ? [name] : []));
    if (missing.length > 0) return this.lose(`it lacks ${missing.join(" and ")}`);
    this.isReady = true;
    this.events.ready();
  }

  /**
   * Runs `work`; what the compositor did wrong, or what the host has run out of, ends the connection. Any other error is
   * a bug and goes on.
   */
  private guard(work: () => void): void {
    try {
      work();
    } catch (error) {
      if (!(error instanceof WaylandError) && !(error instanceof SystemError)) throw error;
      const isReported = error instanceof ReportedError;
      this.lose(error.message, isReported && error.object instanceof ZwpLinuxBufferParamsV1);
    }
  }

  private lose(reason: string, isForDmabuf = false): void {
    if (this.isClosed) return;
    this.close();
    this.events.lost(reason, isForDmabuf);
  }
}
