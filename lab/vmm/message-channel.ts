// A socket of vhost-user, the VMM's end: messages with their header in both directions, sent whole and received as they come.

import { closeFd } from "../../src/transport/os/fds.ts";
import { EPOLLIN, EPOLLRDHUP } from "../../src/transport/os/epoll.ts";
import { SystemError } from "../../src/transport/os/errors.ts";
import { NativeMemory } from "../../src/transport/os/native-memory.ts";
import { CLOSED, SocketIo, WOULD_BLOCK } from "../../src/transport/os/unix-socket.ts";
import { Header } from "../../src/transport/wire/vhost-user/protocol.ts";
import type { Pump } from "../driver/pump.ts";

/** A message as it came. The receiver owns `fds`. */
export interface Message {
  request: number;
  flags: number;
  payload: DataView;
  fds: number[];
}

/** The back-end has ended the session. */
export class SessionClosed extends Error {
  override name = "SessionClosed";
}

const payloadBytes = 8192;

/** A stream of messages with the header of vhost-user, in both directions. */
export class MessageChannel {
  readonly inbox: Message[] = [];
  private readonly io = new SocketIo();
  private readonly memory = NativeMemory.allocate(2 * (Header.bytes + payloadBytes));
  private readonly incoming = new Uint8Array(this.memory.view(0, Header.bytes + payloadBytes));
  private readonly outgoing = new Uint8Array(this.memory.view(Header.bytes + payloadBytes));
  private received = 0;
  private fds: number[] = [];
  private open = true;

  constructor(
    private readonly fd: number,
    private readonly pump: Pump,
    private readonly onClosed: () => void,
    private readonly onMessage: (message: Message) => void = (message) => this.inbox.push(message),
  ) {
    pump.epoll.add(fd, EPOLLIN | EPOLLRDHUP, () => this.read());
  }

  send(request: number, flags: number, payload: Uint8Array, fds: readonly number[] = []): void {
    const bytes = new Uint8Array(Header.bytes + payload.length);
    const header = new DataView(bytes.buffer);
    header.setUint32(Header.request, request, true);
    header.setUint32(Header.flags, flags, true);
    header.setUint32(Header.size, payload.length, true);
    bytes.set(payload, Header.bytes);
    this.sendBytes(bytes, fds);
  }

  sendBytes(bytes: Uint8Array, fds: readonly number[]): void {
    if (!this.open) throw new SessionClosed("the back-end has hung up");
    this.outgoing.set(bytes);
    let sent = 0;
    const address = this.memory.address + this.incoming.length;
    while (sent < bytes.length) {
      this.io.clear();
      this.io.gather(address + sent, bytes.length - sent);
      let taken: number;
      try {
        taken = this.io.send(this.fd, sent === 0 ? fds : []);
      } catch (error) {
        if (!(error instanceof SystemError) || (error.code !== "EPIPE" && error.code !== "ECONNRESET"))
          throw error;
        this.hangUp();
        throw new SessionClosed("the back-end has hung up");
      }
      if (taken === WOULD_BLOCK) this.pump.serve(1);
      else sent += taken;
    }
  }

  /** What has come and nobody has taken is nobody's any more. */
  close(): void {
    this.hangUp();
    for (const { fds } of this.inbox.splice(0)) fds.forEach(closeFd);
    this.fds.splice(0).forEach(closeFd);
    this.io.close();
    this.memory.unmap();
  }

  /** Closes the socket. */
  hangUp(): void {
    if (!this.open) return;
    this.open = false;
    this.pump.epoll.remove(this.fd);
    closeFd(this.fd);
    this.onClosed();
  }

  private read(): void {
    while (this.open) {
      const wanted = this.wanted();
      let count: number;
      try {
        count = this.io.receive(this.fd, this.memory.address + this.received, wanted - this.received);
      } catch (error) {
        if (!(error instanceof SystemError) || error.code !== "ECONNRESET") throw error;
        count = CLOSED;
      }
      if (count === WOULD_BLOCK) return;
      if (count === CLOSED) return this.hangUp();
      this.fds.push(...this.io.receivedFds);
      this.received += count;
      if (this.received >= Header.bytes && this.received === this.wanted()) this.deliver();
    }
  }

  private wanted(): number {
    if (this.received < Header.bytes) return Header.bytes;
    const size = new DataView(this.incoming.buffer).getUint32(Header.size, true);
    if (size > payloadBytes) throw new Error(`the back-end sent a message of ${size} bytes`);
    return Header.bytes + size;
  }

  private deliver(): void {
    const copy = this.incoming.slice(0, this.received);
    const header = new DataView(copy.buffer, 0, Header.bytes);
    const message = {
      request: header.getUint32(Header.request, true),
      flags: header.getUint32(Header.flags, true),
      payload: new DataView(copy.buffer, Header.bytes),
      fds: this.fds,
    };
    this.received = 0;
    this.fds = [];
    this.onMessage(message);
  }
}
