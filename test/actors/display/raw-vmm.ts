// The VMM's end of a display socket, byte by byte: for answers in pieces, wrong answers and broken streams.

import { closeFd } from "../../../src/transport/os/fds.ts";
import { NativeMemory } from "../../../src/transport/os/native-memory.ts";
import { SocketIo, socketPair } from "../../../src/transport/os/unix-socket.ts";
import { Header, replyBytes, replyFlag } from "../../../src/transport/vhost-user-gpu/protocol.ts";

export interface RawMessage {
  request: number;
  flags: number;
  payload: DataView;
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

  constructor() {
    [this.backEndFd, this.fd] = socketPair("stream");
  }

  /** Reads at most `limit` of the bytes that are there. */
  read(limit = bufferBytes): number {
    const count = Math.max(0, this.io.receive(this.fd, this.memory.address, Math.min(limit, bufferBytes)));
    for (let index = 0; index < count; index++) this.received.push(this.bytes[index]!);
    return count;
  }

  /** Reads what is there and answers the whole messages among it. */
  messages(): RawMessage[] {
    while (this.read() > 0);
    const messages: RawMessage[] = [];
    for (;;) {
      const bytes = Uint8Array.from(this.received);
      if (bytes.length < Header.bytes) return messages;
      const view = new DataView(bytes.buffer);
      const size = view.getUint32(Header.size, true);
      if (bytes.length < Header.bytes + size) return messages;
      messages.push({
        request: view.getUint32(Header.request, true),
        flags: view.getUint32(Header.flags, true),
        payload: new DataView(bytes.slice(Header.bytes, Header.bytes + size).buffer),
      });
      this.received = this.received.slice(Header.bytes + size);
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
    closeFd(this.fd);
    this.io.close();
    this.memory.unmap();
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
