// The VMM's end of a display socket, byte by byte: for answers in pieces, wrong answers and broken streams.

import { closeFd } from "../../../src/transport/os/fds.ts";
import { NativeMemory } from "../../../src/transport/os/native-memory.ts";
import { SocketIo, socketPair } from "../../../src/transport/os/unix-socket.ts";
import { Header, replyBytes, replyFlag } from "../../../src/transport/wire/vhost-user-gpu/protocol.ts";

export interface RawMessage {
  request: number;
  flags: number;
  payload: DataView;
  /** The descriptor that came with its first byte, or -1; it is closed with the VMM. */
  fd: number;
}

const bufferBytes = 1024 * 1024;

export class RawVmm {
  /** The end that a display is given. */
  readonly backEndFd: number;
  private readonly fd: number;
  private readonly io = new SocketIo();
  private readonly memory = NativeMemory.allocate(bufferBytes);
  private readonly bytes = new Uint8Array(this.memory.view());
  private received: number[] = [];
  private messageFd = -1;
  private readonly fds: number[] = [];

  constructor() {
    [this.backEndFd, this.fd] = socketPair("stream");
  }

  /** Reads what is there, never beyond a message as QEMU does, and answers the messages that are whole. */
  messages(): RawMessage[] {
    const messages: RawMessage[] = [];
    for (;;) {
      const missing = this.missing();
      if (missing === 0) messages.push(this.taken());
      else if (!this.read(missing)) return messages;
    }
  }

  /** Bytes that were read and are no whole message. */
  get leftOver(): number {
    return this.received.length;
  }

  write(bytes: Uint8Array): void {
    this.bytes.set(bytes);
    this.io.clear();
    this.io.gather(this.memory.address, bytes.length);
    if (this.io.send(this.fd) !== bytes.length) throw new Error("the socket is full");
  }

  close(): void {
    for (const fd of this.fds.splice(0)) closeFd(fd);
    closeFd(this.fd);
    this.io.close();
    this.memory.unmap();
  }

  private read(length: number): boolean {
    const isFirst = this.received.length === 0;
    const count = Math.max(0, this.io.receive(this.fd, this.memory.address, Math.min(length, bufferBytes)));
    for (const fd of this.io.receivedFds) {
      this.fds.push(fd);
      if (!isFirst || this.messageFd >= 0) throw new Error("a descriptor behind the first byte of a message");
      this.messageFd = fd;
    }
    for (let index = 0; index < count; index++) this.received.push(this.bytes[index]!);
    return count > 0;
  }

  /** Bytes until the header, and then the message, is there. */
  private missing(): number {
    const { length } = this.received;
    return length < Header.bytes ? Header.bytes - length : Header.bytes + this.field(Header.size) - length;
  }

  private field(offset: number): number {
    return new DataView(Uint8Array.from(this.received.slice(0, Header.bytes)).buffer).getUint32(offset, true);
  }

  private taken(): RawMessage {
    const payload = new DataView(Uint8Array.from(this.received.slice(Header.bytes)).buffer);
    const fd = this.messageFd;
    const message = { request: this.field(Header.request), flags: this.field(Header.flags), payload, fd };
    this.messageFd = -1;
    this.received = [];
    return message;
  }
}

/** An answer to `request` whose payload is zero but for those of `fields` (by offset) that it is long enough for. */
export function answer(
  request: number,
  fields: Record<number, number> = {},
  { size = replyBytes[request]!, flags = replyFlag as number } = {},
): Uint8Array {
  const bytes = new Uint8Array(Header.bytes + size);
  const view = new DataView(bytes.buffer);
  view.setUint32(Header.request, request, true);
  view.setUint32(Header.flags, flags, true);
  view.setUint32(Header.size, size, true);
  for (const [offset, value] of Object.entries(fields)) {
    if (Number(offset) < size) view.setUint32(Header.bytes + Number(offset), value, true);
  }
  return bytes;
}
