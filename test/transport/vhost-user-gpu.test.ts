// The display socket's two directions, through a real socket: messages out in pieces, answers in in pieces.

import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { closeFd, createMemfd, sizeOfFd } from "../../src/transport/os/fds.ts";
import { NativeMemory } from "../../src/transport/os/native-memory.ts";
import { SocketIo, socketPair, WOULD_BLOCK } from "../../src/transport/os/unix-socket.ts";
import { MessageWriter } from "../../src/transport/vhost-user-gpu/message-writer.ts";
import {
  DmabufScanout2,
  DmabufUpdate,
  Header,
  Request,
} from "../../src/transport/vhost-user-gpu/protocol.ts";
import { DisplayProtocolError, ReplyReader } from "../../src/transport/vhost-user-gpu/reply-reader.ts";
import {
  pushUpdate,
  setOutstanding,
  shiftUpdate,
  StreamWord,
  unansweredUpdates,
} from "../../src/transport/vhost-user-gpu/stream-words.ts";
import { Valve } from "../support/valve.ts";

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

  describe("a descriptor", () => {
    const fields = [3, 1, 2, 30, 20, 64, 48, 256, 1, 0x3432_5258, 0x0000_0007, 0x0100_0000];
    const payload = DmabufScanout2.bytes;
    const whole = Header.bytes + payload;
    let fd: number;
    let sizes: number[];
    let writer: MessageWriter;
    beforeEach(() => {
      fd = createMemfd("test", 4321);
      sizes = [];
      writer = new MessageWriter(io, words);
      writer.start(Request.DMABUF_SCANOUT2, payload, ...fields);
      writer.carry(fd);
    });
    afterEach(() => {
      closeFd(fd);
      writer.close();
    });

    /** Reads one byte at a time, so that each descriptor is seen where it came: the positions of descriptors. */
    function positions(from: number): number[] {
      const found: number[] = [];
      for (let at = from; io.receive(theirs, buffer.address + at, 1) > 0; at++) {
        for (const received of io.receivedFds) {
          found.push(at);
          sizes.push(sizeOfFd(received));
          closeFd(received);
        }
      }
      return found;
    }

    test("goes with the first byte of its message, and with no other message", () => {
      expect(writer.send(ours)).toBe(true);
      writer.start(Request.SCANOUT, 12, 0, 1, 1);
      expect(writer.send(ours)).toBe(true);
      expect(positions(0)).toEqual([0]);
      expect(sizes).toEqual([4321]);
      expect([...new Uint32Array(buffer.view(0, whole + 24))]).toEqual([
        ...[12, 0, 48, ...fields],
        ...[7, 0, 12, 0, 1, 1],
      ]);
    });

    test("is sent once, wherever the message is cut", () => {
      for (let cut = 1; cut < whole; cut++) {
        if (!writer.isIdle) writer.send(ours);
        positions(0);
        writer.start(Request.DMABUF_SCANOUT2, payload, ...fields);
        writer.carry(fd);
        new Valve(cut).around(() => expect(writer.send(ours)).toBe(false));
        expect(positions(0)).toEqual([0]);
        expect(writer.send(ours)).toBe(true);
        expect(positions(cut)).toEqual([]);
        expect([...new Uint32Array(buffer.view(0, whole))]).toEqual([12, 0, 48, ...fields]);
      }
    });

    test("waits for the first byte where the socket is full", () => {
      const rubbish = 64 * 1024;
      do {
        io.clear();
        io.gather(buffer.address + 4096, rubbish);
      } while (io.send(ours) !== WOULD_BLOCK);
      expect(writer.send(ours)).toBe(false);
      let end = 0;
      for (;;) {
        const count = io.receive(theirs, buffer.address, bufferBytes);
        if (count === WOULD_BLOCK) break;
        end += count;
        expect(io.receivedFds).toEqual([]);
      }
      expect(end).toBeGreaterThan(0);
      expect(writer.send(ours)).toBe(true);
      expect(positions(0)).toEqual([0]);
    });

    test("is not sent by whoever finishes the message after a crash", () => {
      new Valve(5).around(() => writer.send(ours));
      expect(positions(0)).toEqual([0]);
      const successor = new MessageWriter(io, words);
      successor.resume();
      expect(successor.send(ours)).toBe(true);
      expect(positions(5)).toEqual([]);
      expect([...new Uint32Array(buffer.view(0, whole))]).toEqual([12, 0, 48, ...fields]);
      successor.close();
    });
  });

  test("updates are owed in the order in which they are sent, by those who finish them too", () => {
    const writer = new MessageWriter(io, words);
    for (const scanout of [5, 0, 9]) {
      writer.start(Request.DMABUF_UPDATE, DmabufUpdate.bytes, scanout, 1, 2, 3, 4);
      expect(writer.send(ours)).toBe(true);
    }
    writer.start(Request.DMABUF_UPDATE, DmabufUpdate.bytes, 2, 1, 2, 3, 4);
    new Valve(31).around(() => expect(writer.send(ours)).toBe(false));
    expect([...unansweredUpdates(words)]).toEqual([5, 0, 9]);
    const successor = new MessageWriter(io, words);
    successor.resume();
    expect(successor.send(ours)).toBe(true);
    expect([...unansweredUpdates(words)]).toEqual([5, 0, 9, 2]);
    expect(words[StreamWord.outstanding]).toBe(0);
    writer.close();
    successor.close();
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

  const updated = [Request.DMABUF_UPDATE, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0];

  test("tells which update an empty reply is for, by their order", () => {
    const reader = new ReplyReader(io, words);
    for (const scanout of [5, 0, 15]) pushUpdate(words, scanout);
    writeBack(...updated, ...updated.slice(0, 7));
    expect(reader.receive(ours)).toBe("reply");
    expect([reader.request, reader.scanout]).toEqual([Request.DMABUF_UPDATE, 5]);
    expect(reader.receive(ours)).toBe("nothing");
    reader.close();
    const successor = new ReplyReader(io, words);
    successor.resume();
    writeBack(...updated.slice(7), ...updated);
    expect([successor.receive(ours), successor.scanout]).toEqual(["reply", 0]);
    expect([successor.receive(ours), successor.scanout]).toEqual(["reply", 15]);
    writeBack(...updated);
    expect(() => successor.receive(ours)).toThrow(DisplayProtocolError);
    successor.close();
  });

  test("refuses an update's reply that has a payload", () => {
    const reader = new ReplyReader(io, words);
    pushUpdate(words, 0);
    writeBack(...updated.with(8, 4), 1, 2, 3, 4);
    expect(() => reader.receive(ours)).toThrow("request 10, flags 0x4, 4 bytes");
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

test("one update a scanout can be unanswered, and no more", () => {
  for (let scanout = 15; scanout >= 0; scanout--) pushUpdate(words, scanout);
  expect(() => pushUpdate(words, 3)).toThrow(RangeError);
  expect(Array.from({ length: 16 }, () => shiftUpdate(words))).toEqual(
    Array.from({ length: 16 }, (_, index) => 15 - index),
  );
  expect(words[StreamWord.updates]).toBe(0);
});
