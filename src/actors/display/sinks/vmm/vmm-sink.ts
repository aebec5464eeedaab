// Shows scanouts on the VMM's display socket. It never waits for the VMM: one message is under way at most, and what
// changes meanwhile is merged until the socket takes the next one.

import { EPOLLET, EPOLLIN, EPOLLOUT } from "../../../../transport/os/epoll.ts";
import { asRefusal, type Refusal, SystemError } from "../../../../transport/os/errors.ts";
import { closeFd, setNonBlocking } from "../../../../transport/os/fds.ts";
import { sizeSendBuffer } from "../../../../transport/os/unix-socket.ts";
import { MessageWriter } from "../../../../transport/wire/vhost-user-gpu/message-writer.ts";
import { DisplayRequest } from "../../../../transport/wire/vhost-user-gpu/protocol.ts";
import { ReplyReader } from "../../../../transport/wire/vhost-user-gpu/reply-reader.ts";
import { StreamWord } from "../../../../transport/wire/vhost-user-gpu/stream-words.ts";
import type { Rect } from "../../../../picture/damage.ts";
import { DmabufSurface } from "../../surfaces/dmabuf-surface.ts";
import { DmabufUpdates } from "./dmabuf-updates.ts";
import { FrameCounters } from "../frame-counters.ts";
import type { DisplayMode } from "../../../gpu/messages.ts";
import type { Question } from "../../scanouts/questions.ts";
import type { Scanout, View } from "../../scanouts/scanout.ts";
import type { Sink, SinkHost, Takes } from "../sink.ts";
import { VmmCursors } from "./vmm-cursors.ts";
import { VmmFrames } from "./vmm-frames.ts";
import { VmmPace } from "./vmm-pace.ts";
import { VmmRequests } from "./vmm-requests.ts";
import { VmmScanouts } from "./vmm-scanouts.ts";

/**
 * The kernel doubles these. With slots, a frame of 1920 × 1080 fits, and costs the display no further wake-up; without,
 * the VMM is to get no further behind than it must.
 */
const sendBufferBytes = { paced: 4 * 1024 * 1024, unpaced: 512 * 1024 };

export interface VmmSinkOptions extends Pick<
  SinkHost,
  "context" | "io" | "scanouts" | "modes" | "answers" | "words"
> {
  /** The display socket, which the sink closes. */
  socket: number;
  /** The VMM has said its protocol features. */
  negotiated: () => void;
  /** {@link VmmSink.periodMs} is another. */
  periodChanged: () => void;
  /** The socket is dead, and the sink has closed itself. */
  died: () => void;
  bandBytesMax?: number;
}

export class VmmSink implements Sink {
  readonly name = "vmm";
  private readonly writer: MessageWriter;
  private readonly reader: ReplyReader;
  private readonly requests: VmmRequests;
  private readonly shown: VmmScanouts;
  private readonly cursors: VmmCursors;
  private readonly updates: DmabufUpdates;
  private readonly frames: VmmFrames;
  private readonly pace: VmmPace;
  private readonly counters: FrameCounters;
  private isBlocked = false;
  /** Whether the socket wakes the display when it has room. */
  private watchesRoom: boolean;
  private isClosed = false;
  private hasWarned = false;

  /** Takes over the socket. Throws SystemError for one that can't be waited for; it stays the caller's then. */
  constructor(private readonly options: VmmSinkOptions) {
    const { context, io, words, socket, modes, answers, bandBytesMax } = options;
    const { timers, log, counters } = context;
    setNonBlocking(socket);
    // What may find no room comes before anything that knows of this sink.
    this.writer = new MessageWriter(io, words);
    this.reader = new ReplyReader(io, words);
    this.pace = new VmmPace(context, socket);
    // A reader makes room with each piece that it takes, and nobody is to wake up for each.
    this.watchesRoom = this.pace.periodMs === 0;
    sizeSendBuffer(socket, this.watchesRoom ? sendBufferBytes.unpaced : sendBufferBytes.paced);
    context.epoll.add(socket, eventsOf(this.watchesRoom), (events) => this.ready(events));
    this.writer.resume();
    this.reader.resume();
    const timeoutMs = context.config.displayTimeoutMs;
    this.requests = new VmmRequests({
      ...{ words, timers, log, counters, timeoutMs, modes, answers },
      negotiated: () => this.negotiated(),
      refreshes: (scanout, hz) => {
        this.pace.refreshes(scanout, hz);
        options.periodChanged();
      },
    });
    this.updates = new DmabufUpdates({ words, timers, log, counters, timeoutMs });
    this.counters = new FrameCounters(context, this.name);
    const viewOf = (id: number): View | null => this.viewOf(id);
    const isUntold = (id: number): boolean => this.shown.isUntold(id);
    this.frames = new VmmFrames(viewOf, isUntold, this.updates, this.counters, this.pace, bandBytesMax);
    this.shown = new VmmScanouts({
      words,
      viewOf,
      isUnanswered: (id) => this.updates.isUnanswered(id),
      pace: this.pace,
      takesModifiers: () => this.requests.hasModifiers,
    });
    this.cursors = new VmmCursors(options.scanouts, this.pace);
  }

  get periodMs(): number {
    return this.pace.periodMs;
  }

  /** Whether the VMM shows dma-bufs, and such as have a modifier. */
  get takes(): Takes {
    const { isNegotiated, hasModifiers } = this.requests;
    return { dmabuf: isNegotiated, modifiers: hasModifiers };
  }

  get outputs(): readonly DisplayMode[] {
    return this.requests.outputs;
  }

  ask(question: Question): void {
    this.requests.ask(question);
  }

  scanout({ id, view }: Scanout): void {
    this.shown.change(id);
    this.frames.replace(id, view);
    // A frame of the same size is finished, so that a guest that flips faster than the VMM reads is seen at all.
    if (!this.shown.fits(id, view)) this.frames.cancel(id);
  }

  update({ id }: Scanout, damage: Rect): void {
    this.frames.add(id, damage);
  }

  cursor(scanout: Scanout): void {
    this.cursors.load(scanout);
  }

  cursorMove(scanout: Scanout): void {
    this.cursors.move(scanout);
  }

  pump(): boolean {
    if (this.isBlocked || this.isClosed) return false;
    const more = this.push();
    if (this.periodMs > 0 && !this.isClosed) this.watchRoom(this.isBlocked || this.pace.isOverdue);
    return more;
  }

  private push(): boolean {
    try {
      if (this.writer.isIdle && !this.frames.isActive) this.pace.look();
      while (!this.writer.isIdle || this.startNext()) {
        if (!this.writer.send(this.options.socket)) {
          this.isBlocked = true;
          return false;
        }
        // After so many bytes, messages come first.
        if (this.sent(this.writer.request)) return true;
      }
    } catch (error) {
      this.die(asRefusal(error));
    }
    return false;
  }

  isBehind({ id }: Scanout): boolean {
    return this.frames.isBehind(id);
  }

  describe(): Record<string, unknown> {
    const { frames, bytes, merged, skipped } = this.counters;
    return {
      sink: this.name,
      ready: this.requests.isReady,
      features: this.requests.featureNames,
      blocked: this.isBlocked,
      frameRate: this.periodMs === 0 ? "unlimited" : Math.round(1000 / this.periodMs),
      bytesSent: this.writer.bytesSent,
      timeouts: this.requests.timeouts + this.updates.timeouts,
      updatesUnanswered: this.updates.unanswered,
      frames,
      frameBytes: bytes,
      merged,
      skipped,
    };
  }

  /** Closes because the VMM is gone or has another socket: what it was asked is answered without it. */
  hangUp(): void {
    this.requests.abandon();
    this.close();
  }

  close(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    const { context, socket } = this.options;
    context.epoll.remove(socket);
    closeFd(socket);
    this.pace.close();
    this.frames.close();
    this.shown.close();
    this.writer.close();
    this.reader.close();
    this.requests.close();
  }

  /** Has the socket tell when it has room, or not. The kernel says at once where it has some already. */
  private watchRoom(watches: boolean): void {
    if (watches === this.watchesRoom) return;
    this.watchesRoom = watches;
    this.options.context.epoll.modify(this.options.socket, eventsOf(watches));
  }

  private ready(events: number): void {
    if (events & EPOLLOUT) this.isBlocked = false;
    if (events === EPOLLOUT) return;
    try {
      // There are never more answers than questions: this ends, however much the VMM sends.
      for (;;) {
        const received = this.reader.receive(this.options.socket);
        if (received === "nothing") return;
        if (received === "closed") {
          const where = this.reader.isPartial ? " in the middle of a message" : "";
          this.options.context.log.limited("info", () => `the VMM closed its display${where}`);
          return this.lose();
        }
        // A lost reply is asked for again where it is still wanted.
        if (received === "reply") this.take();
      }
    } catch (error) {
      this.die(asRefusal(error));
    }
  }

  private take(): void {
    const { request, scanout, payload } = this.reader;
    if (request === DisplayRequest.DMABUF_UPDATE) this.frames.updateAnswered(scanout);
    else this.requests.take(request, payload);
  }

  /** Starts the message that matters most. Returns false when there is none. */
  private startNext(): boolean {
    const { writer } = this;
    if (this.requests.start(writer)) return true;
    if (!this.requests.isReady) return false;
    return this.shown.start(writer) || this.cursors.start(writer) || this.frames.start(writer);
  }

  /** A message is sent. Returns whether it was one with many bytes. */
  private sent(request: number): boolean {
    if (request === DisplayRequest.UPDATE) this.frames.updateSent();
    else this.shown.sent();
    return request === DisplayRequest.UPDATE;
  }

  private negotiated(): void {
    // One that could not be shown without a modifier may be shown now.
    for (const scanout of this.options.scanouts) {
      if (scanout.view?.surface instanceof DmabufSurface) this.scanout(scanout);
    }
    this.options.negotiated();
  }

  /** What the VMM is to show of a scanout: nothing where it can't. */
  private viewOf(id: number): View | null {
    const { view } = this.options.scanouts[id]!;
    const surface = view?.surface;
    if (!(surface instanceof DmabufSurface)) return view;
    const needs = surface.needsModifier && !this.requests.hasModifiers;
    if (!needs && surface.offset === 0) return view;
    if (!this.hasWarned) {
      const why = needs ? "a format modifier" : `an offset of ${surface.offset}`;
      this.options.context.log.guest(() => `the VMM can't show surface ${surface.id}, a dma-buf with ${why}`);
    }
    this.hasWarned = true;
    return null;
  }

  /** Ends the sink for an error of the socket; any other error is a bug and goes on. */
  private die(refusal: Refusal): void {
    const { log } = this.options.context;
    const hungUp = refusal instanceof SystemError && ["EPIPE", "ECONNRESET"].includes(refusal.code);
    if (hungUp) log.limited("info", () => "the VMM closed its display");
    else log.guest(() => `giving up the VMM's display: ${refusal.message}`);
    this.lose();
  }

  private lose(): void {
    this.options.words[StreamWord.broken] = 1;
    this.hangUp();
    this.options.died();
  }
}

/** Edge-triggered: what is still there was told. */
const eventsOf = (room: boolean): number => EPOLLIN | EPOLLET | (room ? EPOLLOUT : 0);
