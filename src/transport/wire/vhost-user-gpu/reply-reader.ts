// Receives the VMM's answers on the display socket, whatever pieces they come in, and never a byte of the next one.

import { Refusal } from "../../os/errors.ts";
import { closeFd } from "../../os/fds.ts";
import { NativeMemory } from "../../os/native-memory.ts";
import { CLOSED, type SocketIo, WOULD_BLOCK } from "../../os/unix-socket.ts";
import { Header, replyBytes, replyBytesMax, replyFlag, DisplayRequest } from "./protocol.ts";
import { isOutstanding, setOutstanding, shiftUpdate, StreamWord } from "./stream-words.ts";

/** The VMM answered what was not asked, or in a form that it can't have. The stream is useless from there on. */
export class DisplayProtocolError extends Refusal {}

/** `lost` is a reply whose first bytes went to a predecessor. */
export type Received = "nothing" | "reply" | "lost" | "closed";

export class ReplyReader {
  private readonly memory = NativeMemory.allocate(Header.bytes + replyBytesMax);
  private readonly header = new DataView(this.memory.view(0, Header.bytes));
  private readonly headerWords = new Int32Array(this.memory.view(0, Header.bytes));
  private received = 0;
  private isLost = false;

  /** The scanout of the DMABUF_UPDATE that the last reply answers. */
  scanout = 0;

  /** The payload of the last reply; of its request's {@link replyBytes}. Valid until the next {@link receive}. */
  readonly payload = new DataView(this.memory.view(Header.bytes, replyBytesMax));

  /** `words` hold where the stream stands ({@link StreamWord}). */
  constructor(
    private readonly io: SocketIo,
    private readonly words: Int32Array,
  ) {}

  /** The request that the last reply answers. */
  get request(): number {
    return this.header.getUint32(Header.request, true);
  }

  /** Goes on with a reply that a predecessor left half received. */
  resume(): void {
    this.received = this.words[StreamWord.replyBytes]!;
    this.headerWords.set(this.words.subarray(StreamWord.replyHeader, StreamWord.replyHeader + 3));
    this.isLost = this.received > Header.bytes;
  }

  /** Takes at most one reply. Throws {@link DisplayProtocolError}, or SystemError when the socket fails. */
  receive(socket: number): Received {
    for (;;) {
      const missing = this.missing();
      if (missing === 0) return this.finish();
      const count = this.io.receive(socket, this.memory.address + this.received, missing);
      // The VMM sends descriptors with nothing.
      if (this.io.receivedFds.length > 0) this.io.receivedFds.forEach(closeFd);
      if (count === WOULD_BLOCK) return "nothing";
      if (count === CLOSED) return "closed";
      this.received += count;
      this.words[StreamWord.replyBytes] = this.received;
      this.words.set(this.headerWords, StreamWord.replyHeader);
    }
  }

  /** Whether a reply has begun to arrive. */
  get isPartial(): boolean {
    return this.received > 0;
  }

  close(): void {
    this.memory.unmap();
  }

  /** Bytes until the header, and then the reply, is complete. */
  private missing(): number {
    if (this.received < Header.bytes) return Header.bytes - this.received;
    const { request } = this;
    const flags = this.header.getUint32(Header.flags, true);
    const size = this.header.getUint32(Header.size, true);
    const expected = request < 32 && isOutstanding(this.words, request) ? replyBytes[request] : undefined;
    if (expected === undefined || size !== expected || (flags & replyFlag) === 0) {
      throw new DisplayProtocolError(
        `the VMM sent request ${request}, flags 0x${flags.toString(16)}, ${size} bytes, which answers nothing we asked`,
      );
    }
    return Header.bytes + size - this.received;
  }

  private finish(): "reply" | "lost" {
    const kind = this.isLost ? "lost" : "reply";
    this.received = 0;
    this.isLost = false;
    this.words[StreamWord.replyBytes] = 0;
    if (this.request === DisplayRequest.DMABUF_UPDATE) this.scanout = shiftUpdate(this.words);
    else setOutstanding(this.words, this.request, false);
    return kind;
  }
}
