// The display socket's two directions, through a real socket: messages out in pieces, answers in in pieces.

import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { libc } from "../../../src/ffi/libc.ts";
import { closeFd, createMemfd, setNonBlocking, sizeOfFd } from "../../../src/transport/os/fds.ts";
import { NativeMemory } from "../../../src/transport/os/native-memory.ts";
import { SocketIo, sizeSendBuffer, socketPair, WOULD_BLOCK } from "../../../src/transport/os/unix-socket.ts";
import { MessageWriter } from "../../../src/transport/wire/vhost-user-gpu/message-writer.ts";
import {
  DmabufScanout2,
  DmabufUpdate,
  Header,
  DisplayRequest,
} from "../../../src/transport/wire/vhost-user-gpu/protocol.ts";
import {
  DisplayProtocolError,
  ReplyReader,
} from "../../../src/transport/wire/vhost-user-gpu/reply-reader.ts";
import {
  pushUpdate,
  setOutstanding,
  shiftUpdate,
  StreamWord,
  unansweredUpdates,
} from "../../../src/transport/wire/vhost-user-gpu/stream-words.ts";
import { countCalls } from "../../support/call-counter.ts";
import { failWith } from "../../support/errno.ts";
import { openFds } from "../../support/fds.ts";
import { Valve } from "../../support/valve.ts";

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
    writer.start(DisplayRequest.UPDATE, 20 + rows * rowBytes, 1, 2, 3, 4, 5);
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
    writer.start(DisplayRequest.SCANOUT, 12, 0, 1, 1);
    expect(() => writer.start(DisplayRequest.SCANOUT, 12)).toThrow("while request 7 is being sent");
    expect(writer.send(ours)).toBe(true);
    expect(() => writer.start(DisplayRequest.UPDATE, 2 ** 32)).toThrow(RangeError);
    writer.close();
  });

  test("a reply is outstanding once its request is sent, not before", () => {
    const writer = new MessageWriter(io, words);
    writer.start(DisplayRequest.GET_EDID, 4, 2);
    expect(words[StreamWord.outstanding]).toBe(0);
    expect(writer.send(ours)).toBe(true);
    expect(words[StreamWord.outstanding]).toBe(1 << DisplayRequest.GET_EDID);
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
      writer.start(DisplayRequest.DMABUF_SCANOUT2, payload, ...fields);
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
      writer.start(DisplayRequest.SCANOUT, 12, 0, 1, 1);
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
        writer.start(DisplayRequest.DMABUF_SCANOUT2, payload, ...fields);
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
      writer.start(DisplayRequest.DMABUF_UPDATE, DmabufUpdate.bytes, scanout, 1, 2, 3, 4);
      expect(writer.send(ours)).toBe(true);
    }
    writer.start(DisplayRequest.DMABUF_UPDATE, DmabufUpdate.bytes, 2, 1, 2, 3, 4);
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
    writer.start(DisplayRequest.SCANOUT, 12, 0, 1, 1);
    expect(() => writer.send(ours)).toThrow("EPIPE");
    writer.close();
  });
});

describe("a body that is lent", () => {
  const header = Header.bytes + 20;
  let writer: MessageWriter;
  let picture: NativeMemory;
  let source: Uint8Array;
  beforeEach(() => {
    writer = new MessageWriter(io, words);
    setNonBlocking(ours);
    sizeSendBuffer(ours, 128 * 1024);
    picture = NativeMemory.allocate(16 * 1024 * 1024);
    source = new Uint8Array(picture.view());
    const numbers = new Int32Array(source.buffer);
    for (let at = 0; at < numbers.length; at++) numbers[at] = Math.imul(at, 0x9e3779b1);
  });
  afterEach(() => {
    writer.close();
    picture.unmap();
  });

  function start(rows: number, rowBytes: number, stride: number, offset = 0): void {
    writer.start(DisplayRequest.UPDATE, 20 + rows * rowBytes, 1, 2, 3, 4, 5);
    writer.lend(picture.address + offset, rowBytes, stride);
  }

  /** What the other side is to read of the rows. */
  function rowsOf(rows: number, rowBytes: number, stride: number, offset = 0): Buffer {
    const each = Array.from({ length: rows }, (_, row) =>
      source.subarray(offset + row * stride, offset + row * stride + rowBytes),
    );
    return Buffer.concat(each);
  }

  /** Sends the rest and reads it behind `end`, `most` bytes at once. */
  function finish(by: MessageWriter, from = 0, most = bufferBytes): number {
    let end = from;
    while (!by.send(ours)) {
      const count = io.receive(theirs, buffer.address + end, Math.min(most, bufferBytes - end));
      if (count > 0) end += count;
    }
    return readInto(end);
  }

  function expectWhole(end: number, payload: Buffer): void {
    expect(end).toBe(header + payload.length);
    expect([...new Uint32Array(buffer.view(0, header))]).toEqual([8, 0, 20 + payload.length, 1, 2, 3, 4, 5]);
    expect(Buffer.from(bytes.subarray(header, end)).equals(payload)).toBe(true);
    expect(words[StreamWord.messageOwed]).toBe(0);
    expect(writer.isIdle).toBe(true);
  }

  test.each([
    ["adjacent rows, more than the pipe holds", 1080, 7680, 7680, 0],
    ["rows of part of a picture, none at the start of a page", 900, 5004, 7684, 1236],
    ["more rows than one gather list holds", 2500, 4096, 4100, 12],
    ["one row longer than the pipe", 1, 5_000_000, 5_000_000, 4],
    ["the least that is lent", 64, 4096, 8192, 0],
  ])("arrives whole and in order: %s", (_, rows, rowBytes, stride, offset) => {
    for (const most of [bufferBytes, 100_003, 4096]) {
      start(rows, rowBytes, stride, offset);
      const counts = countCalls(() =>
        expectWhole(finish(writer, 0, most), rowsOf(rows, rowBytes, stride, offset)),
      );
      expect(counts["sendmsg"]).toBe(1);
      expect(counts["splice"]).toBeGreaterThan(0);
    }
  });

  test.each([
    ["a small picture", 100, 400, 400],
    ["less than it costs", 63, 4096, 8192],
    ["short rows", 1000, 2048, 4096],
  ])("is copied where that costs less: %s", (_, rows, rowBytes, stride) => {
    start(rows, rowBytes, stride);
    const counts = countCalls(() => expectWhole(finish(writer), rowsOf(rows, rowBytes, stride)));
    expect(counts["vmsplice"]).toBeUndefined();
  });

  test("lends nothing of its head, which the next message overwrites", () => {
    sizeSendBuffer(ours, 4 * 1024 * 1024);
    start(64, 4096, 4096);
    expect(writer.send(ours)).toBe(true);
    writer.start(DisplayRequest.SCANOUT, 12, 9, 9, 9);
    expect(writer.send(ours)).toBe(true);
    const end = readInto(0);
    expectWhole(end - 24, rowsOf(64, 4096, 4096));
    expect([...new Uint32Array(buffer.view(0, end)).slice(-6)]).toEqual([7, 0, 12, 9, 9, 9]);
  });

  test("what body names is copied, and may be overwritten once it is sent", () => {
    sizeSendBuffer(ours, 4 * 1024 * 1024);
    writer.start(DisplayRequest.UPDATE, 20 + 64 * 4096, 1, 2, 3, 4, 5);
    writer.body(picture.address, 4096, 4096);
    const before = rowsOf(64, 4096, 4096);
    expect(writer.send(ours)).toBe(true);
    source.fill(0);
    expectWhole(readInto(0), before);
  });

  test("is what it was, when it was freed before it is read", () => {
    sizeSendBuffer(ours, 4 * 1024 * 1024);
    start(64, 4096, 4096);
    const before = rowsOf(64, 4096, 4096);
    expect(writer.send(ours)).toBe(true);
    picture.unmap();
    picture = NativeMemory.allocate(16 * 1024 * 1024);
    source = new Uint8Array(picture.view());
    source.fill(0xff);
    expectWhole(readInto(0), before);
  });

  describe("goes on by copy", () => {
    const libcTable = libc as unknown as Record<string, unknown>;
    const fails = (): number => failWith("ENOSYS");

    test.each(["pipe2", "vmsplice", "splice"] as const)(
      "where there is no %s, and asks only once",
      (name) => {
        const original = libcTable[name];
        libcTable[name] = fails;
        try {
          for (let frame = 0; frame < 3; frame++) {
            start(1080, 7680, 7680);
            const counts = countCalls(() => expectWhole(finish(writer), rowsOf(1080, 7680, 7680)));
            expect(counts[name] ?? 0).toBe(frame === 0 ? 1 : 0);
          }
        } finally {
          libcTable[name] = original;
        }
      },
    );

    test.each(["vmsplice", "splice"] as const)("from where %s failed", (name) => {
      const original = libcTable[name] as (...args: unknown[]) => number;
      for (let works = 1; works < 8; works++) {
        let left = works;
        const another = new MessageWriter(io, words);
        libcTable[name] = (...args: unknown[]) => (left-- > 0 ? original(...args) : fails());
        try {
          another.start(DisplayRequest.UPDATE, 20 + 900 * 5004, 1, 2, 3, 4, 5);
          another.lend(picture.address, 5004, 7684);
          expectWhole(finish(another, 0, 50_000), rowsOf(900, 5004, 7684));
        } finally {
          libcTable[name] = original;
          another.close();
        }
      }
    });
  });

  test("whoever takes over after a crash sends zeroes for what the socket had not taken, and not a byte more", () => {
    for (const most of [0, 1, 4096, 300_000, 1_000_000]) {
      start(1080, 7680, 7680);
      expect(writer.send(ours)).toBe(false);
      let taken = 0;
      while (taken < most) {
        const count = io.receive(theirs, buffer.address + taken, most - taken);
        if (count > 0) taken += count;
        else expect(writer.send(ours)).toBe(false);
      }
      const sent = writer.bytesSent;
      // What waits in its pipe dies with it.
      writer.close();
      const successor = new MessageWriter(io, words);
      successor.resume();
      const end = finish(successor, taken);
      expect(end).toBe(header + 1080 * 7680);
      const lost = rowsOf(1080, 7680, 7680).fill(0, sent - header);
      expect(Buffer.from(bytes.subarray(header, end)).equals(lost)).toBe(true);
      expect(words[StreamWord.messageOwed]).toBe(0);
      successor.close();
      writer = new MessageWriter(io, words);
    }
  });

  test("throws where the other side closes midway, as a copy does", () => {
    const before = openFds();
    start(1080, 7680, 7680);
    expect(writer.send(ours)).toBe(false);
    closeFd(theirs);
    theirs = -1;
    expect(() => writer.send(ours)).toThrow(/EPIPE|ECONNRESET/);
    writer.close();
    expect(openFds()).toBe(before - 1);
  });

  test("waits where the socket is full, before its first byte too", () => {
    do {
      io.clear();
      io.gather(buffer.address, 1024);
    } while (io.send(ours) !== WOULD_BLOCK);
    start(1080, 7680, 7680);
    expect(writer.send(ours)).toBe(false);
    expect(writer.bytesSent).toBe(0);
    readInto(0);
    expectWhole(finish(writer), rowsOf(1080, 7680, 7680));
  });
});

describe("ReplyReader", () => {
  const features = [1, 0, 0, 0, 4, 0, 0, 0, 8, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0];

  test("takes one reply, and leaves the next", () => {
    const reader = new ReplyReader(io, words);
    setOutstanding(words, DisplayRequest.GET_PROTOCOL_FEATURES, true);
    writeBack(...features, 99);
    expect(reader.receive(ours)).toBe("reply");
    expect(reader.request).toBe(DisplayRequest.GET_PROTOCOL_FEATURES);
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

  const updated = [DisplayRequest.DMABUF_UPDATE, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0];

  test("tells which update an empty reply is for, by their order", () => {
    const reader = new ReplyReader(io, words);
    for (const scanout of [5, 0, 15]) pushUpdate(words, scanout);
    writeBack(...updated, ...updated.slice(0, 7));
    expect(reader.receive(ours)).toBe("reply");
    expect([reader.request, reader.scanout]).toEqual([DisplayRequest.DMABUF_UPDATE, 5]);
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
    setOutstanding(words, DisplayRequest.GET_PROTOCOL_FEATURES, true);
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
