// The vhost-user socket, back-end's end: framed requests with their descriptors in, replies out.

import { ECONNRESET, EPIPE, libc } from "../../../ffi/libc.ts";
import { Refusal, SystemError } from "../../os/errors.ts";
import { NativeMemory } from "../../os/native-memory.ts";
import { CLOSED, fdsPerMessageMax, SocketIo, WOULD_BLOCK } from "../../os/unix-socket.ts";
import { Flags, Header, payloadBytesMax, requestName } from "./protocol.ts";
import { ProtocolError } from "./protocol-error.ts";

/** One request. `payload` is valid until the next one is read. */
export interface Message {
  request: number;
  needsReply: boolean;
  payload: DataView;
  /** The receiver's, who closes those that it does not keep. */
  fds: number[];
}

/** What {@link Channel.read} answers when there is no message. */
export type NoMessage = "wait" | "closed";

export class Channel {
  private readonly io = new SocketIo();
  private readonly memory = NativeMemory.allocate(Header.bytes + payloadBytesMax);
  private readonly bytes = new Uint8Array(this.memory.view());
  private readonly data = new DataView(this.memory.view());
  private readonly out = NativeMemory.allocate(Header.bytes + payloadBytesMax);
  private readonly outBytes = new Uint8Array(this.out.view());
  private readonly outData = new DataView(this.out.view());
  private have = 0;
  private fds: number[] = [];

  constructor(readonly fd: number) {}

  /** The next whole request, if it is there. Never blocks. Throws a {@link ProtocolError} for a bad header. */
  read(): Message | NoMessage {
    for (;;) {
      const want = this.have < Header.bytes ? Header.bytes : Header.bytes + this.payloadSize();
      if (this.have >= Header.bytes && this.have === want) return this.takeMessage();
      const received = this.receive(want - this.have);
      if (received === WOULD_BLOCK) return "wait";
      this.fds.push(...this.io.receivedFds);
      // Each piece of a message may bring some.
      if (this.io.truncatedFds) throw lostDescriptors();
      if (this.fds.length > fdsPerMessageMax)
        throw new ProtocolError("a message brought more descriptors than any may");
      if (received === CLOSED) {
        if (this.have === 0) return "closed";
        throw new ProtocolError("the front-end went away in the middle of a message");
      }
      this.have += received;
    }
  }

  /** Sends the answer to `request`. The socket's buffer always has room for it; a front-end that never reads is gone. */
  reply(request: number, payload: Uint8Array, fds: readonly number[] = []): void {
    this.send(request, Flags.version | Flags.reply, payload, fds);
  }

  private send(request: number, flags: number, payload: Uint8Array, fds: readonly number[]): void {
    this.outData.setUint32(Header.request, request, true);
    this.outData.setUint32(Header.flags, flags, true);
    this.outData.setUint32(Header.size, payload.length, true);
    this.outBytes.set(payload, Header.bytes);
    this.io.clear();
    this.io.gather(this.out.address, Header.bytes + payload.length);
    let sent: number;
    try {
      sent = this.io.send(this.fd, fds);
    } catch (error) {
      if (!hasGone(error)) throw error;
      throw new ProtocolError(`the front-end went away before its answer to ${requestName(request)}`);
    }
    if (sent !== Header.bytes + payload.length) {
      throw new ProtocolError(`the front-end does not read its answer to ${requestName(request)}`);
    }
  }

  private receive(length: number): number {
    try {
      return this.io.receive(this.fd, this.memory.address + this.have, length);
    } catch (error) {
      // A front-end that was killed has left answers unread; that is no mistake of its.
      if (hasGone(error)) return CLOSED;
      throw error;
    }
  }

  /** Closes the socket and what descriptors no one took. */
  close(): void {
    this.closeFds();
    libc.close(this.fd);
    this.io.close();
    this.memory.unmap();
    this.out.unmap();
  }

  private payloadSize(): number {
    const flags = this.data.getUint32(Header.flags, true);
    const size = this.data.getUint32(Header.size, true);
    const request = this.data.getUint32(Header.request, true);
    if ((flags & Flags.versionMask) !== Flags.version) {
      throw new ProtocolError(`${requestName(request)} has flags 0x${flags.toString(16)}: not version 1`);
    }
    if (size > payloadBytesMax) {
      throw new ProtocolError(
        `${requestName(request)} has a payload of ${size} bytes, over ${payloadBytesMax}`,
      );
    }
    return size;
  }

  private takeMessage(): Message {
    const size = this.have - Header.bytes;
    this.have = 0;
    const { fds } = this;
    this.fds = [];
    return {
      request: this.data.getUint32(Header.request, true),
      needsReply: (this.data.getUint32(Header.flags, true) & Flags.needReply) !== 0,
      payload: new DataView(this.bytes.buffer, this.bytes.byteOffset + Header.bytes, size),
      fds,
    };
  }

  private closeFds(): void {
    for (const fd of this.fds) libc.close(fd);
    this.fds = [];
  }
}

/** The kernel drops what does not fit the buffer, and what it finds no number for in this process. */
const lostDescriptors = (): Refusal =>
  new Refusal(
    `a message brought more than ${fdsPerMessageMax} descriptors, or more than this process may open`,
  );

const hasGone = (error: unknown): boolean =>
  error instanceof SystemError && (error.errno === ECONNRESET || error.errno === EPIPE);
