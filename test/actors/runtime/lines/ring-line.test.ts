// Lines over mapped memory: what is sent arrives whole and in order, whatever the room; and nothing that the other side writes
// there does more than to end the line.
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { ringBytes, ringDataBytes } from "../../../../src/actors/runtime/lines/byte-ring.ts";
import { type LineEnd, LineError } from "../../../../src/actors/runtime/lines/line.ts";
import { lineEnds } from "../../../../src/actors/runtime/lines/open.ts";
import { lineMemoryBytes, RingLine } from "../../../../src/actors/runtime/lines/ring-line.ts";
import { libc } from "../../../../src/ffi/libc.ts";
import { closeFd, createEventfd, createMemfd, duplicateFd } from "../../../../src/transport/os/fds.ts";
import { NativeMemory } from "../../../../src/transport/os/native-memory.ts";
import { SocketIo } from "../../../../src/transport/os/unix-socket.ts";
import { isOpen, kindOf, openFds, readEventfd } from "../../../support/fds.ts";

type RingsEnd = Extract<LineEnd, { kind: "rings" }>;

/** What the other side of the line has, to write what it should not. */
interface Raw {
  head: Int32Array;
  data: Uint8Array;
  words: Uint32Array;
  memory: NativeMemory;
  socketFd: number;
}

let ours: RingLine;
let theirs: RingLine;
let raw: Raw;
/** How often each has rung for the other. */
const rings = { ours: 0, theirs: 0 };

beforeEach(() => {
  rings.ours = rings.theirs = 0;
  const [first, second] = lineEnds("rings") as [RingsEnd, RingsEnd];
  const memory = NativeMemory.mapShared(second.memoryFd, 0, lineMemoryBytes, "write");
  raw = {
    memory,
    head: new Int32Array(memory.view(ringBytes, 4096)),
    data: new Uint8Array(memory.view(ringBytes + 4096, ringDataBytes)),
    words: new Uint32Array(memory.view(ringBytes + 4096, ringDataBytes)),
    socketFd: duplicateFd(second.socketFd),
  };
  ours = new RingLine(first, () => rings.ours++);
  theirs = new RingLine(second, () => rings.theirs++);
});
afterEach(() => {
  ours.close();
  theirs.close();
  closeFd(raw.socketFd);
  raw.memory.unmap();
});

/** Writes a record as the other side would, and shows it. */
function forge(text: string, word: number, length = text.length): void {
  const at = raw.head[0]! & (ringDataBytes - 1);
  raw.words[at / 4] = length;
  raw.words[at / 4 + 1] = word;
  new TextEncoder().encodeInto(text, raw.data.subarray(at + 8));
  Atomics.store(raw.head, 0, raw.head[0]! + 8 + ((length + 7) & ~7));
}

const takeAll = (line: RingLine): object[] => {
  const messages: object[] = [];
  for (let one = line.take(); one !== undefined; one = line.take()) messages.push(one);
  return messages;
};

test("messages of all lengths arrive whole and in order", () => {
  const lengths = Array.from({ length: 3000 }, (_, at) => (at * 7919) % 3000);
  for (const [number, length] of lengths.entries()) {
    ours.send({ type: "log", number, text: "é".repeat(length) });
    expect(theirs.take()).toEqual({ type: "log", number, text: "é".repeat(length) });
  }
});

test("what finds no room waits, and goes when the receiver has taken what is there, who rings for that", () => {
  const count = 20_000;
  for (let number = 0; number < count; number++) ours.send({ type: "log", number });
  const taken: object[] = [];
  for (let round = 0; taken.length < count; round++) {
    taken.push(...takeAll(theirs));
    ours.flush();
    if (round > 1000) throw new Error(`only ${taken.length} messages have come`);
  }
  expect(taken).toEqual(Array.from({ length: count }, (_, number) => ({ type: "log", number })));
  // Once for each ring that was full, and not once more.
  expect(rings.theirs).toBeGreaterThan(5);
  expect(rings.theirs).toBeLessThan(40);
});

test("a message that is longer than the ring goes in pieces, and what follows comes after it", () => {
  const text = Array.from({ length: 300_000 }, (_, at) => String.fromCodePoint(0x1f300 + (at % 500))).join(
    "",
  );
  ours.send({ type: "log", text });
  ours.send({ type: "log", text: "after" });
  const taken: object[] = [];
  while (taken.length < 2) {
    taken.push(...takeAll(theirs));
    ours.flush();
  }
  expect(taken).toEqual([
    { type: "log", text },
    { type: "log", text: "after" },
  ]);
});

test("bytes arrive as bytes, at any depth", () => {
  const request = Uint8Array.from({ length: 256 }, (_, at) => at);
  const messages = [
    { type: "edid", token: 1, edid: request },
    { type: "offer", features: 3, config: new Uint8Array(0) },
    { type: "break-changed", next: { number: 1, bytes: 2, request }, cause: null },
  ];
  for (const message of messages) ours.send(message);

  expect(takeAll(theirs)).toEqual(messages);
});

describe("descriptors", () => {
  test("arrive with their message, in order, and are the sender's no more", () => {
    const fds = Array.from({ length: 70 }, () => createEventfd());
    const region = { guestAddress: 0, size: 4096, fdOffset: 0 };
    const regions = fds.slice(0, 68).map((fd, id) => ({ ...region, id, fd: id % 2 === 0 ? fd : -1 }));
    const kept = fds.slice(0, 68).filter((_, id) => id % 2 === 1);
    fds.forEach((fd, at) => setEventfd(fd, at + 1));

    ours.send({ type: "map-memory", token: 1, regions });
    ours.send({ type: "set-ring-call", callFd: fds[68]! });
    ours.send({ type: "set-ring-call", callFd: -1 });
    ours.send({ type: "set-ring-err", errFd: fds[69]! });

    expect(fds.filter((fd) => !kept.includes(fd)).map(isOpen)).not.toContain(true);
    const [map, call, none, err] = takeAll(theirs) as [
      { regions: { fd: number; id: number }[] },
      { callFd: number },
      { callFd: number },
      { errFd: number },
    ];
    for (const { fd, id } of map.regions) {
      expect(fd < 0 ? -1 : readEventfd(fd)).toBe(id % 2 === 0 ? id + 1 : -1);
    }
    expect(readEventfd(call.callFd)).toBe(69);
    expect(none.callFd).toBe(-1);
    expect(readEventfd(err.errFd)).toBe(70);
    for (const fd of [...map.regions.map((one) => one.fd), call.callFd, err.errFd, ...kept]) closeFd(fd);
  });

  test("more than the socket holds wait with their messages", () => {
    const before = openFds();
    for (let number = 0; number < 2000; number++) {
      const fd = number % 2 === 0 ? createEventfd() : createMemfd("test", 4096);
      ours.send({ type: "log-pages", fd, offset: number });
    }
    let next = 0;
    while (next < 2000) {
      for (const message of takeAll(theirs) as { fd: number; offset: number }[]) {
        expect(message.offset).toBe(next);
        expect(kindOf(message.fd)).toContain(next % 2 === 0 ? "eventfd" : "memfd:test");
        closeFd(message.fd);
        next++;
      }
      ours.flush();
    }
    expect(openFds()).toBe(before);
  });

  test("that nobody takes are closed with the line, those that wait included", () => {
    const [first, second] = lineEnds("rings") as [RingsEnd, RingsEnd];
    const before = openFds() - 4;
    const sender = new RingLine(first, () => {});
    const receiver = new RingLine(second, () => {});
    for (let number = 0; number < 1000; number++)
      sender.send({ type: "set-ring-call", callFd: createEventfd() });
    receiver.close();
    sender.close();
    expect(openFds()).toBe(before);
  });

  test("to a receiver that has ended are closed", () => {
    theirs.close();
    closeFd(raw.socketFd);
    const fd = createEventfd();
    ours.send({ type: "set-ring-call", callFd: fd });
    expect(isOpen(fd)).toBe(false);
    raw.socketFd = -1;
    theirs = new RingLine(ringsEnd(), () => {});
  });
});

describe("what makes no sense ends the line", () => {
  test.each([
    ["a record longer than the ring", () => forge("{}", 1, ringDataBytes), "has written beyond its ring"],
    [
      "a record of four billion bytes",
      () => void (forge("{}", 1), (raw.words[0] = 0xffff_fffe)),
      "has written beyond its ring",
    ],
    ["a record without bytes", () => forge("", 1), "has written beyond its ring"],
    ["half a record", () => void Atomics.store(raw.head, 0, 8), "has written beyond its ring"],
    [
      "an index far ahead",
      () => void (forge("{}", 1), Atomics.store(raw.head, 0, 1 << 30)),
      "has written beyond its ring",
    ],
    [
      "an index that goes back",
      () => void (forge("{}", 1), Atomics.store(raw.head, 0, -8)),
      "has written beyond its ring",
    ],
    ["what is no JSON", () => forge("{]", 1), "has sent what is no message"],
    ["a list", () => forge("[1]", 1), "has sent what is no message"],
    ["null", () => forge("null", 1), "has sent what is no message"],
    ["an object without a name", () => forge('{"type":1}', 1), "has sent what is no message"],
    [
      "a list of regions that are none",
      () => forge('{"type":"map-memory","regions":[null]}', 1),
      "has sent what is no message",
    ],
    [
      "descriptors that never came",
      () => forge('{"type":"set-ring-call","callFd":5}', 3),
      "has sent a message without its descriptors",
    ],
    [
      "fewer descriptors than the message names",
      () => forge('{"type":"set-ring-call","callFd":5}', 1),
      "has sent what is no message",
    ],
    ["a million descriptors", () => forge("{}", 2_000_001), "has sent too many descriptors at once"],
  ])("%s", (_what, write, reason) => {
    write();
    const caught = failure(() => takeAll(ours));
    expect(caught).toBeInstanceOf(LineError);
    expect(caught!.message).toStartWith(reason);
  });

  test("more descriptors than the message names are closed", () => {
    const before = openFds();
    const fd = createEventfd();
    const io = new SocketIo();
    const byte = NativeMemory.allocate(1);
    io.gather(byte.address, 1);
    io.send(raw.socketFd, [fd, fd]);
    forge('{"type":"set-ring-call","callFd":5}', 5);
    expect(() => ours.take()).toThrow("has sent what is no message");
    closeFd(fd);
    io.close();
    byte.unmap();
    expect(openFds()).toBe(before);
  });

  test("taking more than there was", () => {
    // The word in which they tell how much of ours they have taken.
    new Int32Array(raw.memory.view(0, 4096))[16] = 4096;
    expect(() => ours.send({ type: "log" })).toThrow("has said that it took what was not there");
  });

  test("a message without an end", () => {
    const piece = "x".repeat(ringDataBytes / 2 - 8);
    const endless = (): void => {
      for (let bytes = 0; bytes < 70 * 1024 * 1024; bytes += piece.length) {
        forge(piece, 0);
        ours.take();
      }
    };
    expect(endless).toThrow("has sent a message without an end");
  });

  test("not taking what it is sent", () => {
    const text = "x".repeat(16 * 1024 * 1024);
    const flood = (): void => {
      for (let number = 0; number < 8; number++) ours.send({ type: "log", text });
    };
    expect(flood).toThrow("has not taken what it was sent");
  });
});

function setEventfd(fd: number, value: number): void {
  libc.write(fd, new BigUint64Array([BigInt(value)]), 8);
}

function failure(attempt: () => unknown): Error | null {
  try {
    attempt();
    return null;
  } catch (error) {
    return error as Error;
  }
}

/** An end of a line of its own. */
function ringsEnd(): RingsEnd {
  const [end, other] = lineEnds("rings") as [RingsEnd, RingsEnd];
  [other.memoryFd, other.socketFd].forEach(closeFd);
  return end;
}
