// A line to an actor in another process: a ring of messages each way, and a socket for the descriptors that they bring.
//
// What finds no room waits here, and goes when the receiver has taken what is there; nobody blocks. The receiver may be a
// process that a guest has taken over: what it sends is checked, and what it does not take is bounded.

import { NativeMemory } from "../../../transport/os/native-memory.ts";
import { closeFd } from "../../../transport/os/fds.ts";
import { RingReader, ringBytes, ringDataBytes, RingWriter } from "./byte-ring.ts";
import { DescriptorSocket } from "./descriptor-socket.ts";
import { type Line, type LineEnd, LineError } from "./line.ts";
import { messageOf, textOf } from "./message-text.ts";
import { descriptorsIn, replaceDescriptors } from "./under-way.ts";

export const lineMemoryBytes = 2 * ringBytes;
/** Of one message, such as an inventory of all that a guest has made. */
const messageBytesMax = 64 * 1024 * 1024;
/** Of those that wait for room, beside the last. */
const waitingBytesMax = 64 * 1024 * 1024;
const descriptorsMax = 4096;

/** The word of a record: 0 for what goes on in the next, else 1 and twice how many descriptors it brings. */
const lastWord = (descriptors: number): number => 1 + 2 * descriptors;

interface Waiting {
  bytes: Uint8Array;
  /** How many of them were written. */
  at: number;
  fds: readonly number[];
}

/** One of these a thread: nothing lies in it between two calls. */
const scratch = { bytes: new Uint8Array(0) };
const encoder = new TextEncoder();

export class RingLine implements Line {
  readonly wakesBell = true;
  private readonly memory: NativeMemory;
  private readonly writer: RingWriter;
  private readonly reader: RingReader;
  private readonly socket: DescriptorSocket;
  private readonly waiting: Waiting[] = [];
  private waitingBytes = 0;
  private readonly decoder = new TextDecoder();
  /** Of a message that has come in part. */
  private text = "";
  private textBytes = 0;
  /** Whether something was taken since the writer was last asked whether it waits. */
  private hasTaken = false;

  /** Takes over the descriptors of `end`. `ring` rings the other end's bell. */
  constructor(
    { memoryFd, socketFd, side }: Extract<LineEnd, { kind: "rings" }>,
    private readonly ring: () => void,
  ) {
    this.memory = NativeMemory.mapShared(memoryFd, 0, lineMemoryBytes, "write");
    closeFd(memoryFd);
    this.writer = new RingWriter(this.memory.view(side * ringBytes, ringBytes));
    this.reader = new RingReader(this.memory.view((1 - side) * ringBytes, ringBytes));
    this.socket = new DescriptorSocket(socketFd);
    if (scratch.bytes.length === 0) scratch.bytes = new Uint8Array(ringDataBytes);
  }

  send(message: object): void {
    const fds = descriptorsIn(message);
    const text = textOf(message);
    const { bytes } = scratch;
    // A letter of UTF-16 takes three bytes at most.
    const isShort = text.length * 3 <= bytes.length;
    const length = isShort ? encoder.encodeInto(text, bytes).written : 0;
    if (isShort && this.waiting.length === 0 && this.writer.room(length) === length && this.give(fds)) {
      this.writer.write(bytes, 0, length, lastWord(fds.length));
      return;
    }
    this.wait({ bytes: isShort ? bytes.slice(0, length) : encoder.encode(text), at: 0, fds });
    this.flush();
  }

  flush(): void {
    if (this.waiting.length === 0 || this.pushAll()) return;
    // What was taken before the other side could see that somebody waits would never be told.
    this.writer.want();
    this.pushAll();
  }

  take(): object | undefined {
    for (;;) {
      const length = this.reader.read(scratch.bytes);
      if (length < 0) break;
      this.hasTaken = true;
      const { word } = this.reader;
      this.text += this.decoder.decode(scratch.bytes.subarray(0, length), { stream: word === 0 });
      this.textBytes += length;
      if (this.textBytes > messageBytesMax) throw new LineError("has sent a message without an end");
      if (word !== 0) return this.received(word >>> 1);
    }
    if (this.hasTaken && this.reader.isWanted()) this.ring();
    this.hasTaken = false;
    return undefined;
  }

  leave(): void {
    this.close();
  }

  close(): void {
    const fds = this.waiting.splice(0).flatMap((one) => one.fds);
    fds.slice(this.socket.gone).forEach(closeFd);
    // What lies in the socket is closed with it, once the other end is, too.
    this.socket.close();
    this.memory.unmap();
  }

  private wait(one: Waiting): void {
    this.waiting.push(one);
    this.waitingBytes += one.bytes.length;
    if (this.waiting.length > 1 && this.waitingBytes - one.bytes.length > waitingBytesMax)
      throw new LineError("has not taken what it was sent");
  }

  /** Returns whether nothing waits any more. */
  private pushAll(): boolean {
    for (let done = 0; ; done++) {
      const one = this.waiting[done];
      const isDone = one === undefined || !this.push(one);
      if (!isDone) {
        this.waitingBytes -= one.bytes.length;
        continue;
      }
      this.waiting.splice(0, done);
      return this.waiting.length === 0;
    }
  }

  /** Writes what there is room for; returns whether that was all. */
  private push(one: Waiting): boolean {
    const { bytes, fds } = one;
    for (;;) {
      const left = bytes.length - one.at;
      const now = this.writer.room(left);
      if (now === 0) break;
      if (now === left && !this.give(fds)) break;
      this.writer.write(bytes, one.at, one.at + now, now === left ? lastWord(fds.length) : 0);
      one.at += now;
      this.ring();
      if (now === left) return true;
    }
    return false;
  }

  /** Sends descriptors ahead of the record that brings them; returns false where the socket has no room. */
  private give(fds: readonly number[]): boolean {
    return fds.length === 0 || this.socket.send(fds);
  }

  private received(descriptors: number): object {
    const { text } = this;
    this.text = "";
    this.textBytes = 0;
    if (descriptors > descriptorsMax) throw new LineError("has sent too many descriptors at once");
    const fds = descriptors === 0 ? [] : this.socket.receive(descriptors);
    const message = parsed(text);
    if (message !== null && isNamed(message) && replaceDescriptors(message, fds)) return message;
    fds.forEach(closeFd);
    throw new LineError("has sent what is no message");
  }
}

const isNamed = (message: { type?: unknown; runtime?: unknown }): boolean =>
  typeof message.type === "string" || typeof message.runtime === "string";

function parsed(text: string): object | null {
  try {
    return messageOf(text);
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}
