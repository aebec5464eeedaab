// A WebSocket's client over a plain socket (RFC 6455), for what the engine's own cannot do: to stop reading while somebody else
// does not keep up, so that the server hears of it.

import { randomBytes } from "node:crypto";
import { connect, type Socket } from "node:net";

const Opcode = { continued: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const;
const headBytesMax = 16 * 1024;
/** More than any batch of a feed's. */
const messageBytesMax = 256 * 1024 * 1024;
const headEnd = "\r\n\r\n";

export interface Listener {
  opened(): void;
  message(bytes: Uint8Array): void;
  pinged(bytes: Uint8Array): void;
  /** Also where it never was open. */
  closed(): void;
}

export class RawWebSocket {
  private readonly socket: Socket;
  /** What has come and is not a whole frame yet. */
  private parts: Buffer[] = [];
  private length = 0;
  private wanted = 1;
  private isOpen = false;

  constructor(
    host: string,
    port: number,
    path: string,
    headers: Readonly<Record<string, string>>,
    private readonly listener: Listener,
  ) {
    const lines = Object.entries({
      host: `${host.includes(":") ? `[${host}]` : host}:${port}`,
      upgrade: "websocket",
      connection: "Upgrade",
      "sec-websocket-version": "13",
      "sec-websocket-key": randomBytes(16).toString("base64"),
      ...headers,
    }).map(([name, value]) => `${name}: ${value}`);
    this.socket = connect({ host, port }, () => {
      this.socket.write(`GET ${path} HTTP/1.1\r\n${lines.join("\r\n")}${headEnd}`);
    });
    this.socket.on("data", (bytes: Buffer) => this.take(bytes));
    // "close" follows, and says it.
    this.socket.on("error", () => {});
    this.socket.on("close", () => listener.closed());
  }

  send(text: string): void {
    this.write(Opcode.text, Buffer.from(text));
  }

  pong(bytes: Uint8Array): void {
    this.write(Opcode.pong, bytes);
  }

  /** Reads no more until {@link resume}. */
  pause(): void {
    this.socket.pause();
  }

  resume(): void {
    this.socket.resume();
  }

  close(): void {
    this.socket.destroy();
  }

  private take(bytes: Buffer): void {
    this.parts.push(bytes);
    this.length += bytes.length;
    while (this.length >= this.wanted) {
      const all = this.parts.length === 1 ? this.parts[0]! : Buffer.concat(this.parts);
      const used = this.isOpen ? this.takeFrame(all) : this.takeHead(all);
      this.parts = used === all.length ? [] : [all.subarray(used)];
      this.length -= used;
      if (used === 0) return;
    }
  }

  /** Returns how many bytes it has taken: 0 where it is not whole. */
  private takeHead(bytes: Buffer): number {
    const end = bytes.indexOf(headEnd);
    this.wanted = bytes.length + 1;
    if (end < 0) {
      if (bytes.length > headBytesMax) this.close();
      return 0;
    }
    if (!bytes.toString("latin1", 0, end).startsWith("HTTP/1.1 101 ")) {
      this.close();
      return 0;
    }
    this.isOpen = true;
    this.wanted = 2;
    this.listener.opened();
    return end + headEnd.length;
  }

  private takeFrame(bytes: Buffer): number {
    const short = bytes[1]! & 0x7f;
    const head = short === 127 ? 10 : short === 126 ? 4 : 2;
    if (bytes.length < head) {
      this.wanted = head;
      return 0;
    }
    const length =
      short === 127 ? Number(bytes.readBigUInt64BE(2)) : short === 126 ? bytes.readUInt16BE(2) : short;
    // A server masks nothing, and this one sends each message in one piece.
    const isPlain = (bytes[0]! & 0xf0) === 0x80 && (bytes[1]! & 0x80) === 0;
    if (!isPlain || length > messageBytesMax) {
      this.close();
      return 0;
    }
    this.wanted = head + length;
    if (bytes.length < this.wanted) return 0;
    this.wanted = 2;
    this.hear(bytes[0]! & 0x0f, bytes.subarray(head, head + length));
    return head + length;
  }

  private hear(opcode: number, body: Buffer): void {
    if (opcode === Opcode.text || opcode === Opcode.binary) this.listener.message(body);
    else if (opcode === Opcode.ping) this.listener.pinged(body);
    else if (opcode === Opcode.close) this.close();
  }

  /** What a client sends is masked; with zeroes it stays as it is, which no proxy on this machine minds. */
  private write(opcode: number, body: Uint8Array): void {
    const { length } = body;
    const head = Buffer.alloc(length < 126 ? 6 : 8);
    head[0] = 0x80 | opcode;
    head[1] = 0x80 | (length < 126 ? length : 126);
    if (length >= 126) head.writeUInt16BE(length, 2);
    this.socket.write(Buffer.concat([head, body]));
  }
}
