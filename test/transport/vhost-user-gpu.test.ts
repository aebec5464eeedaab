// The display socket's two directions, through a real socket: messages out in pieces, answers in in pieces.

import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { closeFd } from "../../src/transport/os/fds.ts";
import { NativeMemory } from "../../src/transport/os/native-memory.ts";
import { SocketIo, socketPair } from "../../src/transport/os/unix-socket.ts";
import { MessageWriter } from "../../src/transport/vhost-user-gpu/message-writer.ts";
import { Header, Request } from "../../src/transport/vhost-user-gpu/protocol.ts";
import { DisplayProtocolError, ReplyReader } from "../../src/transport/vhost-user-gpu/reply-reader.ts";
import { setOutstanding, StreamWord } from "../../src/transport/vhost-user-gpu/stream-words.ts";

const bufferBytes = 32 * 1024 * 1024;
const io = new SocketIo();
const buffer = NativeMemory.allocate(bufferBytes);
const bytes = new Uint8Array(buffer.view());

let ours: number;
let theirs: number;
let words: Int32Array;
beforeEach(() => {
  [ours, theirs] = socketPair("stream");
  words = new Int32Array(StreamWord.count);
});
afterEach(() => {
  closeFd(ours);
  closeFd(theirs);
});

/** Reads what is there behind what was read before; answers the new end. */
function readInto(at: number): number {
  for (;;) {
    const count = io.receive(theirs, buffer.address + at, bufferBytes - at);
    if (count <= 0) return at;
    at += count;
  }
}

function writeBack(...values: number[]): void {
  bytes.set(values);
  io.clear();
  io.gather(buffer.address, values.length);
  io.send(theirs);
}

describe("MessageWriter", () => {
  test("gathers rows in pieces, however many there are", () => {
    const writer = new MessageWriter(io, words);
    const [rows, rowBytes, stride] = [200_000, 12, 20];
    const picture = NativeMemory.allocate(rows * stride);
    const source = new Uint8Array(picture.view());
    for (let index = 0; index < source.length; index++) source[index] = index % 251;
    writer.start(Request.UPDATE, 20 + rows * rowBytes, 1, 2, 3, 4, 5);
    writer.body(picture.address, rowBytes, stride);
    let end = 0;
    let stops = 0;
    while (!writer.send(ours)) {
      stops++;
      expect(words[StreamWord.messageOwed]).toBeLessThan(words[StreamWord.messageBytes]!);
      end = readInto(end);
    }
    end = readInto(end);
    expect(stops).toBeGreaterThan(2);
    expect(end).toBe(Header.bytes + 20 + rows * rowBytes);
    expect(writer.bytesSent).toBe(end);
    expect(words[StreamWord.messageOwed]).toBe(0);
    expect([...new Uint32Array(buffer.view(0, 32))]).toEqual([8, 0, 20 + rows * rowBytes, 1, 2, 3, 4, 5]);
    let wrong = 0;
    for (let row = 0; row < rows; row++) {
      for (let column = 0; column < rowBytes; column++) {
        if (bytes[32 + row * rowBytes + column] !== source[row * stride + column]) wrong++;
      }
    }
    expect(wrong).toBe(0);
    picture.unmap();
    writer.close();
  });

  test("refuses a second message before the first is sent, and one longer than a header says", () => {
    const writer = new MessageWriter(io, words);
    writer.start(Request.SCANOUT, 12, 0, 1, 1);
    expect(() => writer.start(Request.SCANOUT, 12)).toThrow("while request 7 is being sent");
    expect(writer.send(ours)).toBe(true);
    expect(() => writer.start(Request.UPDATE, 2 ** 32)).toThrow(RangeError);
    writer.close();
  });

  test("a reply is outstanding once its request is sent, not before", () => {
    const writer = new MessageWriter(io, words);
    writer.start(Request.GET_EDID, 4, 2);
    expect(words[StreamWord.outstanding]).toBe(0);
    expect(writer.send(ours)).toBe(true);
    expect(words[StreamWord.outstanding]).toBe(1 << Request.GET_EDID);
    writer.close();
  });

  test("throws where nobody can read any more", () => {
    const writer = new MessageWriter(io, words);
    closeFd(theirs);
    theirs = -1;
    writer.start(Request.SCANOUT, 12, 0, 1, 1);
    expect(() => writer.send(ours)).toThrow("EPIPE");
    writer.close();
  });
});

describe("ReplyReader", () => {
  const features = [1, 0, 0, 0, 4, 0, 0, 0, 8, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0];

  test("takes one reply, and leaves the next", () => {
    const reader = new ReplyReader(io, words);
    setOutstanding(words, Request.GET_PROTOCOL_FEATURES, true);
    writeBack(...features, 99);
    expect(reader.receive(ours)).toBe("reply");
    expect(reader.request).toBe(Request.GET_PROTOCOL_FEATURES);
    expect(reader.payload.getUint32(0, true)).toBe(3);
    expect(reader.receive(ours)).toBe("nothing");
    expect(reader.isPartial).toBe(true);
    reader.close();
  });

  test("passes on the end of the stream", () => {
    const reader = new ReplyReader(io, words);
    expect(reader.receive(ours)).toBe("nothing");
    closeFd(theirs);
    theirs = -1;
    expect(reader.receive(ours)).toBe("closed");
    reader.close();
  });

  test("refuses what was not asked, before it reads the payload", () => {
    const reader = new ReplyReader(io, words);
    writeBack(...features.slice(0, Header.bytes));
    expect(() => reader.receive(ours)).toThrow(DisplayProtocolError);
    reader.close();
  });

  test("closes descriptors that nobody asked for", () => {
    const reader = new ReplyReader(io, words);
    setOutstanding(words, Request.GET_PROTOCOL_FEATURES, true);
    const [one, two] = socketPair("stream");
    bytes.set(features);
    io.clear();
    io.gather(buffer.address, features.length);
    io.send(theirs, [one]);
    closeFd(one);
    expect(reader.receive(ours)).toBe("reply");
    // The last holder of the other end is gone.
    expect(io.receive(two, buffer.address, 1)).toBe(0);
    closeFd(two);
    reader.close();
  });
});
