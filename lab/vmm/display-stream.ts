// The VMM's end of a display socket: messages of the back-end in exact pieces with their descriptors, and answers.

import { EPOLLIN, EPOLLRDHUP } from "../../src/transport/os/epoll.ts";
import { SystemError } from "../../src/transport/os/errors.ts";
import { closeFd, setNonBlocking } from "../../src/transport/os/fds.ts";
import { NativeMemory } from "../../src/transport/os/native-memory.ts";
import { CLOSED, SocketIo, WOULD_BLOCK } from "../../src/transport/os/unix-socket.ts";
import {
  CursorPosition,
  CursorUpdate,
  DmabufScanout,
  DmabufScanout2,
  DmabufUpdate,
  GetEdid,
  Header,
  replyBytes,
  replyBytesMax,
  replyFlag,
  DisplayRequest,
  Scanout,
  SetProtocolFeatures,
  Update,
} from "../../src/transport/wire/vhost-user-gpu/protocol.ts";
import type { Payload } from "./display-answers.ts";
import type { Pump } from "../driver/pump.ts";

/** Where the pixels of an UPDATE go: native memory of exactly their size. */
export type PixelTarget = number;

export interface DisplayHandler {
  /** A header came. */
  began(request: number): void;
  /**
   * A message came whole, but for an UPDATE's pixels; `payload` is valid until the next one. `fd` is its descriptor or
   * -1, and the handler's to close. Answers where the `pixelBytes` that follow go; {@link pixels} says when they are
   * there.
   */
  message(request: number, payload: DataView, fd: number, pixelBytes: number): PixelTarget | undefined;
  /** The pixels of the last UPDATE are there. */
  pixels(): void;
  /** The back-end did what the protocol forbids. */
  /** Whether flags of a message that has none are a violation. */
  readonly checksFlags: boolean;
  violation(text: string): void;
}

const fixedBytesMax = CursorUpdate.bytes;

/** Payload bytes by request; an UPDATE's pixels come after them. */
const payloadBytes: Readonly<Record<number, number>> = {
  [DisplayRequest.GET_PROTOCOL_FEATURES]: 0,
  [DisplayRequest.SET_PROTOCOL_FEATURES]: SetProtocolFeatures.bytes,
  [DisplayRequest.GET_DISPLAY_INFO]: 0,
  [DisplayRequest.CURSOR_POS]: CursorPosition.bytes,
  [DisplayRequest.CURSOR_POS_HIDE]: CursorPosition.bytes,
  [DisplayRequest.CURSOR_UPDATE]: CursorUpdate.bytes,
  [DisplayRequest.SCANOUT]: Scanout.bytes,
  [DisplayRequest.UPDATE]: Update.bytes,
  [DisplayRequest.DMABUF_SCANOUT]: DmabufScanout.bytes,
  [DisplayRequest.DMABUF_UPDATE]: DmabufUpdate.bytes,
  [DisplayRequest.GET_EDID]: GetEdid.bytes,
  [DisplayRequest.DMABUF_SCANOUT2]: DmabufScanout2.bytes,
};

const takesFd = (request: number): boolean =>
  request === DisplayRequest.DMABUF_SCANOUT || request === DisplayRequest.DMABUF_SCANOUT2;

export class DisplayStream {
  /** Bytes of everything read. */
  bytes = 0;
  isOpen = true;
  private readonly io = new SocketIo();
  private readonly scratch = NativeMemory.allocate(Header.bytes + fixedBytesMax);
  private readonly header = new DataView(this.scratch.view(0, Header.bytes));
  private readonly fixed = new DataView(this.scratch.view(Header.bytes, fixedBytesMax));
  private readonly answer = NativeMemory.allocate(Header.bytes + replyBytesMax);
  private isReading = true;
  private stage: "header" | "fixed" | "pixels" = "header";
  /** Where the stage's next byte goes, and how many are still to come. */
  private target = this.scratch.address;
  private missing: number = Header.bytes;
  private messageFd = -1;
  private isFreed = false;

  constructor(
    private readonly fd: number,
    private readonly pump: Pump,
    private readonly handler: DisplayHandler,
  ) {
    setNonBlocking(fd);
    this.watch();
  }

  /** Stops reading, as a VMM does that hangs. */
  pause(): void {
    if (!this.isReading || !this.isOpen) return;
    this.isReading = false;
    this.pump.epoll.remove(this.fd);
  }

  resume(): void {
    if (this.isReading || !this.isOpen) return;
    this.isReading = true;
    this.watch();
  }

  close(): void {
    if (!this.isOpen) return;
    if (this.isReading) this.pump.epoll.remove(this.fd);
    this.isOpen = false;
    closeFd(this.fd);
    closeFd(this.messageFd);
    this.messageFd = -1;
    this.io.close();
  }

  free(): void {
    this.close();
    if (this.isFreed) return;
    this.isFreed = true;
    this.scratch.unmap();
    this.answer.unmap();
  }

  /** Answers `request` with a payload of the size that it has. */
  reply(request: number, fill: Payload = () => undefined): void {
    const size = replyBytes[request]!;
    const bytes = new Uint8Array(this.answer.view(0, Header.bytes + size)).fill(0);
    const header = new DataView(bytes.buffer);
    header.setUint32(Header.request, request, true);
    header.setUint32(Header.flags, replyFlag, true);
    header.setUint32(Header.size, size, true);
    fill(new DataView(bytes.buffer, Header.bytes), bytes.subarray(Header.bytes));
    if (!this.send(bytes.length)) this.handler.violation("the back-end does not read its answers");
  }

  /** Sends up to as many bytes as the longest reply has, of which the back-end may read none. */
  sendBytes(bytes: Uint8Array): void {
    const { length } = bytes;
    if (length === 0) return;
    new Uint8Array(this.answer.view(0, length)).set(bytes);
    this.send(length);
  }

  /** Sends what {@link answer} holds; returns whether all of it has gone, or the back-end has. */
  private send(length: number): boolean {
    this.io.clear();
    this.io.gather(this.answer.address, length);
    try {
      return this.io.send(this.fd) === length;
    } catch (error) {
      // The back-end may hang up without waiting for what it asked.
      if (!(error instanceof SystemError) || error.code !== "EPIPE") throw error;
      return true;
    }
  }

  private watch(): void {
    this.pump.epoll.add(this.fd, EPOLLIN | EPOLLRDHUP, () => this.read());
  }

  private read(): void {
    while (this.isOpen && this.isReading) {
      let count: number;
      try {
        count = this.io.receive(this.fd, this.target, this.missing);
      } catch (error) {
        if (!(error instanceof SystemError) || error.code !== "ECONNRESET") throw error;
        count = CLOSED;
      }
      if (count === WOULD_BLOCK) return;
      if (count === CLOSED) return this.close();
      this.takeFds();
      this.bytes += count;
      this.target += count;
      this.missing -= count;
      if (this.missing === 0) this.stageDone();
    }
  }

  /** Keeps a descriptor that came with the first byte of a message; there is no other place for one. */
  private takeFds(): void {
    const fds = this.io.receivedFds;
    if (fds.length === 0) return;
    const isFirstByte = this.stage === "header" && this.missing === Header.bytes;
    if (isFirstByte && fds.length === 1) {
      this.messageFd = fds[0]!;
      return;
    }
    fds.forEach(closeFd);
    this.handler.violation(`${fds.length} descriptors came where a message has none`);
  }

  private expect(stage: "header" | "fixed" | "pixels", target: number, bytes: number): void {
    this.stage = stage;
    this.target = target;
    this.missing = bytes;
  }

  private stageDone(): void {
    if (this.stage === "header") return this.headerDone();
    if (this.stage === "pixels") {
      this.handler.pixels();
      return this.expect("header", this.scratch.address, Header.bytes);
    }
    const request = this.header.getUint32(Header.request, true);
    const pixelBytes = this.header.getUint32(Header.size, true) - payloadBytes[request]!;
    const fd = this.messageFd;
    this.messageFd = -1;
    this.expect("header", this.scratch.address, Header.bytes);
    const target = this.handler.message(request, this.fixed, fd, pixelBytes);
    if (target !== undefined) this.expect("pixels", target, pixelBytes);
  }

  private headerDone(): void {
    const request = this.header.getUint32(Header.request, true);
    const flags = this.header.getUint32(Header.flags, true);
    const size = this.header.getUint32(Header.size, true);
    this.handler.began(request);
    if (flags !== 0 && this.handler.checksFlags)
      this.handler.violation(`request ${request} has flags 0x${flags.toString(16)}`);
    const fixed = payloadBytes[request];
    if (fixed === undefined || (request === DisplayRequest.UPDATE ? size < fixed : size !== fixed)) {
      this.handler.violation(`request ${request} has a payload of ${size} bytes`);
      return this.close();
    }
    if (this.messageFd >= 0 && !takesFd(request)) {
      closeFd(this.messageFd);
      this.messageFd = -1;
      this.handler.violation("a descriptor came with a message that has none");
    }
    this.expect("fixed", this.scratch.address + Header.bytes, fixed);
    if (fixed === 0) this.stageDone();
  }
}
