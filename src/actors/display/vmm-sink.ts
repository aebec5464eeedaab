// Shows scanouts on the VMM's display socket. It never waits for the VMM: one message is under way at most, and what
// changes meanwhile is merged until the socket takes the next one.

import { EPOLLIN, EPOLLOUT } from "../../transport/os/epoll.ts";
import { SystemError } from "../../transport/os/errors.ts";
import { closeFd } from "../../transport/os/fds.ts";
import type { SocketIo } from "../../transport/os/unix-socket.ts";
import { MessageWriter } from "../../transport/vhost-user-gpu/message-writer.ts";
import {
  CursorPosition,
  CursorUpdate,
  Request,
  Scanout as ScanoutMessage,
} from "../../transport/vhost-user-gpu/protocol.ts";
import { DisplayProtocolError, ReplyReader } from "../../transport/vhost-user-gpu/reply-reader.ts";
import { StreamWord } from "../../transport/vhost-user-gpu/stream-words.ts";
import { bytesPerPixel, scanoutsMax } from "../../transport/virtio-gpu/protocol.ts";
import type { DisplayMode } from "../messages/ctrl-queue.ts";
import type { ActorContext } from "../runtime/actor.ts";
import { Damage, type Rect } from "../damage.ts";
import { FrameCounters } from "./frame-counters.ts";
import type { Answer, Question } from "./questions.ts";
import { cursorImageBytes, type Scanout } from "./scanout.ts";
import type { Sink } from "./sink.ts";
import { UpdateBands } from "./update-bands.ts";
import { VmmRequests } from "./vmm-requests.ts";

export interface VmmSinkOptions {
  context: ActorContext;
  io: SocketIo;
  /** The display socket, which the sink closes. */
  socket: number;
  /** Whether a predecessor was using it, and left word in `context.keep` of where it stands. */
  resumed: boolean;
  scanouts: readonly Scanout[];
  modes: readonly DisplayMode[];
  answer: Answer;
  /** The socket is dead, and the sink has closed itself. */
  died: () => void;
  bandBytesMax?: number;
}

/** The size of a scanout that the VMM shows in an unknown size. */
const unknownSize = -1;

export class VmmSink implements Sink {
  readonly name = "vmm";
  private readonly writer: MessageWriter;
  private readonly reader: ReplyReader;
  private readonly requests: VmmRequests;
  private readonly bands: UpdateBands;
  private readonly counters: FrameCounters;
  private isBlocked = false;
  private isClosed = false;

  // What the VMM has yet to be told, bit n for scanout n.
  private changed = 0;
  private cursorLoaded = 0;
  private cursorMoved = 0;
  private damaged = 0;
  private readonly damage = Array.from({ length: scanoutsMax }, () => new Damage());
  /** Sizes of what the VMM shows. */
  private readonly shownWidth = new Float64Array(scanoutsMax);
  private readonly shownHeight = new Float64Array(scanoutsMax);
  /** The scanout that comes first with its next frame. */
  private turnOf = 0;
  private frameBytes = 0;

  constructor(private readonly options: VmmSinkOptions) {
    const { context, io, socket, resumed, modes, answer, bandBytesMax } = options;
    const words = context.keep;
    if (!resumed) words.fill(0, 0, StreamWord.count);
    this.writer = new MessageWriter(io, words);
    this.reader = new ReplyReader(io, words);
    this.writer.resume();
    this.reader.resume();
    const { timers, log, counters } = context;
    const timeoutMs = context.config.displayTimeoutMs;
    this.requests = new VmmRequests({ words, timers, log, counters, timeoutMs, modes, answer });
    this.bands = new UpdateBands(bandBytesMax);
    this.counters = new FrameCounters(context.counters);
    for (let id = 0; id < scanoutsMax; id++) {
      if (words[StreamWord.shown]! & (1 << id)) this.shownWidth[id] = unknownSize;
    }
    context.epoll.add(socket, EPOLLIN, (events) => this.ready(events));
  }

  ask(question: Question): void {
    this.requests.ask(question);
  }

  scanout({ id, view }: Scanout): void {
    const bit = 1 << id;
    this.changed |= bit;
    this.damage[id]!.clear();
    this.damaged &= ~bit;
    if (view !== null) {
      this.damage[id]!.add(0, 0, view.width, view.height);
      this.damaged |= bit;
    }
    // A frame of the same size is finished, so that a guest that flips faster than the VMM reads is seen at all.
    if (this.bands.isActive(id) && !this.isShownAs(id, view?.width ?? 0, view?.height ?? 0)) {
      this.bands.cancel();
      this.counters.skip();
    }
  }

  update({ id }: Scanout, damage: Rect): void {
    if (this.damaged & (1 << id)) this.counters.merge();
    this.damage[id]!.add(damage.x, damage.y, damage.width, damage.height);
    if (!this.damage[id]!.isEmpty) this.damaged |= 1 << id;
  }

  cursor({ id }: Scanout): void {
    this.cursorLoaded |= 1 << id;
    this.cursorMoved |= 1 << id;
  }

  cursorMove({ id }: Scanout): void {
    this.cursorMoved |= 1 << id;
  }

  pump(): boolean {
    if (this.isBlocked || this.isClosed) return false;
    try {
      while (!this.writer.isIdle || this.startNext()) {
        if (!this.writer.send(this.options.socket)) {
          this.block(true);
          return false;
        }
        // After so many bytes, messages come first.
        if (this.writer.request === Request.UPDATE) {
          this.updateSent();
          return true;
        }
      }
    } catch (error) {
      this.die(error);
    }
    return false;
  }

  isBehind({ id }: Scanout): boolean {
    return (this.damaged & (1 << id)) !== 0 || this.bands.isActive(id);
  }

  describe(): Record<string, unknown> {
    const { frames, bytes, merged, skipped } = this.counters;
    return {
      sink: this.name,
      ready: this.requests.isReady,
      features: this.requests.featureNames,
      blocked: this.isBlocked,
      bytesSent: this.writer.bytesSent,
      timeouts: this.requests.timeouts,
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
    this.bands.close();
    this.writer.close();
    this.reader.close();
    this.requests.close();
  }

  private ready(events: number): void {
    if (events & EPOLLOUT) this.block(false);
    try {
      for (;;) {
        const received = this.reader.receive(this.options.socket);
        if (received === "nothing") return;
        if (received === "closed") {
          const where = this.reader.isPartial ? " in the middle of a message" : "";
          this.options.context.log.info(`the VMM closed its display${where}`);
          return this.lose();
        }
        // A lost reply is asked for again where it is still wanted.
        if (received === "reply") this.requests.take(this.reader.request, this.reader.payload);
      }
    } catch (error) {
      this.die(error);
    }
  }

  /** Starts the message that matters most. Answers false when there is none. */
  private startNext(): boolean {
    if (this.requests.start(this.writer)) return true;
    if (!this.requests.isReady) return false;
    return this.startScanout() || this.startCursor() || this.startUpdate();
  }

  private startScanout(): boolean {
    while (this.changed !== 0) {
      const id = lowestBit(this.changed);
      const bit = 1 << id;
      this.changed &= ~bit;
      const { view } = this.options.scanouts[id]!;
      const width = view?.width ?? 0;
      const height = view?.height ?? 0;
      // The VMM clears a scanout that is set, so a page flip sets nothing.
      if (this.isShownAs(id, width, height)) continue;
      this.shownWidth[id] = width;
      this.shownHeight[id] = height;
      const { keep } = this.options.context;
      keep[StreamWord.shown] = width > 0 ? keep[StreamWord.shown]! | bit : keep[StreamWord.shown]! & ~bit;
      this.writer.start(Request.SCANOUT, ScanoutMessage.bytes, id, width, height);
      return true;
    }
    return false;
  }

  private startCursor(): boolean {
    if (this.cursorMoved === 0) return false;
    const id = lowestBit(this.cursorMoved);
    const bit = 1 << id;
    this.cursorMoved &= ~bit;
    const { isVisible, x, y, hotX, hotY, image } = this.options.scanouts[id]!.cursor;
    if (isVisible && image !== null && this.cursorLoaded & bit) {
      this.cursorLoaded &= ~bit;
      this.writer.start(Request.CURSOR_UPDATE, CursorUpdate.bytes, id, x, y, hotX, hotY);
      // An image that changes while it is sent is sent again.
      this.writer.body(image.address, cursorImageBytes, cursorImageBytes);
    } else {
      const request = isVisible ? Request.CURSOR_POS : Request.CURSOR_POS_HIDE;
      this.writer.start(request, CursorPosition.bytes, id, x, y);
    }
    return true;
  }

  private startUpdate(): boolean {
    if (!this.bands.isActive()) {
      if (this.damaged === 0) return false;
      const after = this.damaged >>> this.turnOf;
      const id = after === 0 ? lowestBit(this.damaged) : this.turnOf + lowestBit(after);
      this.turnOf = (id + 1) % scanoutsMax;
      this.damaged &= ~(1 << id);
      const damage = this.damage[id]!;
      this.frameBytes = (damage.right - damage.left) * (damage.bottom - damage.top) * bytesPerPixel;
      this.bands.begin(id, this.options.scanouts[id]!.view!, damage);
      damage.clear();
    }
    this.bands.start(this.writer);
    return true;
  }

  private updateSent(): void {
    // A predecessor's last message is no frame of ours.
    if (this.bands.isActive() && this.bands.sent()) this.counters.frame(this.frameBytes);
  }

  private isShownAs(id: number, width: number, height: number): boolean {
    return this.shownWidth[id] === width && this.shownHeight[id] === height;
  }

  /** Watches for room in the socket only while there is none. */
  private block(isBlocked: boolean): void {
    this.isBlocked = isBlocked;
    this.options.context.epoll.modify(this.options.socket, isBlocked ? EPOLLIN | EPOLLOUT : EPOLLIN);
  }

  /** Ends the sink for an error of the socket; any other error is a bug and goes on. */
  private die(error: unknown): void {
    const { log } = this.options.context;
    if (error instanceof SystemError && (error.code === "EPIPE" || error.code === "ECONNRESET")) {
      log.info("the VMM closed its display");
    } else if (error instanceof SystemError || error instanceof DisplayProtocolError) {
      log.warning(`giving up the VMM's display: ${error.message}`);
    } else {
      throw error;
    }
    this.lose();
  }

  private lose(): void {
    this.options.context.keep[StreamWord.broken] = 1;
    this.hangUp();
    this.options.died();
  }
}

const lowestBit = (mask: number): number => 31 - Math.clz32(mask & -mask);
