// Sends messages to the VMM's display socket, one at a time and never blocking. Pixels are gathered from where they
// lie, so a message that the socket takes in pieces goes on from there.

import { NativeMemory } from "../../os/native-memory.ts";
import { PageLender, REFUSED } from "../../os/page-lender.ts";
import { SocketIo, WOULD_BLOCK } from "../../os/unix-socket.ts";
import { DmabufUpdate, Header, hasReply, DisplayRequest } from "./protocol.ts";
import { headWords, pushUpdate, setOutstanding, StreamWord } from "./stream-words.ts";

const headBytesMax = headWords * 4;
const payloadBytesMax = 0xffff_ffff;
/** More than a socket's buffer holds, so that no long gather list is made in vain. */
const gatherBytesMax = 1024 * 1024;
const zeroBytes = 64 * 1024;
/** Less costs little to copy, and is then read as it was. */
const lentBytesMin = 256 * 1024;
/** A shorter range takes as much of the pipe as a page does. */
const lentRowBytesMin = 4096;
const noFds: readonly number[] = [];

export class MessageWriter {
  /** Bytes sent so far. */
  bytesSent = 0;
  private readonly head = NativeMemory.allocate(headBytesMax);
  private readonly fields = new Int32Array(this.head.view());
  private total = 0;
  private sent = 0;
  private headBytes = 0;
  private bodyAddress = 0;
  private rowBytes = 1;
  private stride = 0;
  private zeroes: NativeMemory | null = null;
  private fds = noFds;
  private readonly lender = new PageLender();
  private canLend = true;
  /** Whether the body's pages are lent, and not copied. */
  private isLent = false;

  /** `words` hold where the stream stands ({@link StreamWord}). */
  constructor(
    private readonly io: SocketIo,
    private readonly words: Int32Array,
  ) {}

  /** Whether the last message is sent whole, and another may start. */
  get isIdle(): boolean {
    return this.sent === this.total;
  }

  /** The request number of the last message. */
  get request(): number {
    return this.fields[Header.request / 4]!;
  }

  /**
   * Starts a message of `payloadBytes` that begin with the u32 fields of `payload`, at most twelve; {@link body} says where
   * the rest is. Throws when the last message is not sent, or the payload is longer than a header can say.
   */
  start(request: number, payloadBytes: number, ...payload: number[]): void {
    if (!this.isIdle) throw new Error(`request ${request} while request ${this.request} is being sent`);
    if (payloadBytes > payloadBytesMax) throw new RangeError(`a payload of ${payloadBytes} bytes`);
    const { fields } = this;
    fields[Header.request / 4] = request;
    fields[Header.flags / 4] = 0;
    fields[Header.size / 4] = payloadBytes;
    fields.fill(0, Header.bytes / 4);
    fields.set(payload, Header.bytes / 4);
    this.fds = noFds;
    this.begin(Header.bytes + payloadBytes, 0, Header.bytes + payload.length * 4);
    this.words.set(fields, StreamWord.messageHead);
    this.words[StreamWord.messageBytes] = this.total;
    this.words[StreamWord.messageOwed] = this.total;
  }

  /** Gives the message a descriptor, which goes with its first byte and must stay open until the message is sent. */
  carry(fd: number): void {
    this.fds = [fd];
  }

  /**
   * Says where the rest of the payload lies: rows of `rowBytes`, each `stride` bytes after the one before. It must
   * stay there until the message is sent.
   */
  body(address: number, rowBytes: number, stride: number): void {
    this.bodyAddress = address;
    // Adjacent rows are one range.
    this.rowBytes = stride === rowBytes ? this.total - this.headBytes : rowBytes;
    this.stride = stride;
  }

  /**
   * The same of memory whose pages the other side may read later than the message is sent, and as they are by then.
   * They must never hold what it may not see, be they unmapped and freed. `socket`s must be non-blocking.
   */
  lend(address: number, rowBytes: number, stride: number): void {
    this.body(address, rowBytes, stride);
    const isWorth = this.total - this.headBytes >= lentBytesMin && this.rowBytes >= lentRowBytesMin;
    this.isLent = this.canLend && isWorth;
  }

  /** Goes on with a message that a predecessor left half sent. Its pixels are lost: zeroes take their place. */
  resume(): void {
    const total = this.words[StreamWord.messageBytes]! >>> 0;
    const owed = this.words[StreamWord.messageOwed]! >>> 0;
    if (owed === 0 || owed === total) {
      this.words[StreamWord.messageOwed] = 0;
      return;
    }
    this.fields.set(this.words.subarray(StreamWord.messageHead, StreamWord.messageHead + headWords));
    // What is no field in the head is zero, as the pixels are.
    this.begin(total, total - owed, Math.min(total, headBytesMax));
    this.zeroes ??= NativeMemory.allocate(zeroBytes);
    this.body(this.zeroes.address, zeroBytes, 0);
  }

  /** Sends what the socket takes. Returns whether the message is sent whole; throws SystemError when it can't be. */
  send(socket: number): boolean {
    while (!this.isIdle) {
      const isTaken =
        this.isLent && this.sent >= this.headBytes ? this.sendPages(socket) : this.sendCopy(socket);
      if (!isTaken) return false;
    }
    this.oweReply();
    return true;
  }

  close(): void {
    this.lender.close();
    this.head.unmap();
    this.zeroes?.unmap();
  }

  /** Returns whether the socket took all that it was offered. */
  private sendCopy(socket: number): boolean {
    const gathered = this.gather();
    // A descriptor that was taken with some of the bytes must not be sent again with the others.
    const taken = this.io.send(socket, this.sent === 0 ? this.fds : noFds);
    if (taken === WOULD_BLOCK) return false;
    this.took(taken);
    return taken === gathered;
  }

  private sendPages(socket: number): boolean {
    if (this.lender.waiting === 0) this.gather();
    const taken = this.lender.send(this.io, socket);
    if (taken === WOULD_BLOCK) return false;
    if (taken === REFUSED) {
      this.canLend = this.isLent = false;
      return true;
    }
    this.took(taken);
    return this.lender.waiting === 0;
  }

  private took(bytes: number): void {
    this.sent += bytes;
    this.bytesSent += bytes;
    this.words[StreamWord.messageOwed] = this.total - this.sent;
  }

  private oweReply(): void {
    const { request, words, fields } = this;
    if (request === DisplayRequest.DMABUF_UPDATE) {
      pushUpdate(words, fields[(Header.bytes + DmabufUpdate.scanoutId) / 4]!);
    } else if (hasReply(request)) {
      setOutstanding(words, request, true);
    }
  }

  private begin(total: number, sent: number, headBytes: number): void {
    this.total = total;
    this.sent = sent;
    this.headBytes = headBytes;
    this.isLent = false;
  }

  /** Gathers what is next; returns its bytes. */
  private gather(): number {
    const { io, headBytes, rowBytes, stride } = this;
    io.clear();
    let gathered = 0;
    let ranges = 0;
    if (this.sent < headBytes) {
      gathered = headBytes - this.sent;
      io.gather(this.head.address + this.sent, gathered);
      ranges = 1;
    }
    // The head of a body that is lent goes alone.
    const bodyBytes = this.isLent && ranges > 0 ? 0 : this.total - headBytes;
    let at = Math.max(0, this.sent - headBytes);
    while (at < bodyBytes && ranges < SocketIo.rangesMax && gathered < gatherBytesMax) {
      const row = Math.floor(at / rowBytes);
      const column = at - row * rowBytes;
      const length = Math.min(rowBytes - column, bodyBytes - at, gatherBytesMax);
      io.gather(this.bodyAddress + row * stride + column, length);
      at += length;
      gathered += length;
      ranges++;
    }
    return gathered;
  }
}
