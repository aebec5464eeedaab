// Framing of vhost-user messages: however they are cut, whatever they bring, and whenever the front-end goes.
import { afterEach, beforeEach, expect, test } from "bun:test";
import { closeFd, createEventfd } from "../../../../src/transport/os/fds.ts";
import { NativeMemory } from "../../../../src/transport/os/native-memory.ts";
import { SocketIo, socketPair } from "../../../../src/transport/os/unix-socket.ts";
import { Channel, type Message } from "../../../../src/transport/wire/vhost-user/channel.ts";
import { ProtocolError } from "../../../../src/transport/wire/vhost-user/protocol-error.ts";
import { u64 } from "../../../../src/transport/wire/vhost-user/replies.ts";
import {
  payloadBytesMax,
  RequestType,
  requestName,
} from "../../../../src/transport/wire/vhost-user/protocol.ts";
import { isOpen, kindOf, openFds } from "../../../support/fds.ts";

let io: SocketIo;
let scratch: NativeMemory;
let frontend: number;
let channel: Channel;
let fdsBefore: number;
let isClosed: boolean;

beforeEach(() => {
  fdsBefore = openFds();
  io = new SocketIo();
  scratch = NativeMemory.allocate(65536);
  const [ours, theirs] = socketPair("stream");
  frontend = ours;
  channel = new Channel(theirs);
  isClosed = false;
});
afterEach(() => {
  if (!isClosed) channel.close();
  closeFd(frontend);
  io.close();
  scratch.unmap();
  expect(openFds()).toBe(fdsBefore);
});

function frame(
  request: number,
  payload: readonly number[] = [],
  flags = 1,
  size = payload.length,
): Uint8Array {
  const bytes = new Uint8Array(12 + payload.length);
  new Uint32Array(bytes.buffer, 0, 3).set([request, flags, size]);
  bytes.set(payload, 12);
  return bytes;
}

function send(bytes: Uint8Array, fds: readonly number[] = []): void {
  new Uint8Array(scratch.view()).set(bytes);
  io.clear();
  io.gather(scratch.address, bytes.length);
  expect(io.send(frontend, fds)).toBe(bytes.length);
}

/** What the front-end has got. */
function received(): { bytes: number[]; fds: number[] } {
  const count = io.receive(frontend, scratch.address, 65536);
  return {
    bytes: [...new Uint8Array(scratch.view(0, Math.max(count, 1))).slice(0, count)],
    fds: [...io.receivedFds],
  };
}

function readMessage(): Message {
  const message = channel.read();
  if (typeof message === "string") throw new Error(message);
  return message;
}

const payloadOf = ({ payload }: Message): number[] => [
  ...new Uint8Array(payload.buffer as ArrayBuffer, payload.byteOffset, payload.byteLength),
];

function hangUp(): void {
  closeFd(frontend);
  frontend = -1;
}

test("nothing sent is nothing to read", () => {
  expect(channel.read()).toBe("wait");
  expect(channel.read()).toBe("wait");
});

test("a request without a payload is its header", () => {
  send(frame(RequestType.GET_FEATURES));

  const message = readMessage();

  expect(message.request).toBe(RequestType.GET_FEATURES);
  expect(message.needsReply).toBe(false);
  expect(payloadOf(message)).toEqual([]);
  expect(message.fds).toEqual([]);
  expect(channel.read()).toBe("wait");
});

test("a request with a payload that asks for an answer", () => {
  send(frame(RequestType.SET_FEATURES, [1, 2, 3, 4, 5, 6, 7, 8], 9));

  const message = readMessage();

  expect(message.needsReply).toBe(true);
  expect(payloadOf(message)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
});

test("the longest payload is taken", () => {
  const payload = Array.from({ length: payloadBytesMax }, (_, at) => at % 256);
  send(frame(RequestType.SET_CONFIG, payload));

  expect(payloadOf(readMessage())).toEqual(payload);
});

test("a message may be cut at every byte", () => {
  const whole = frame(RequestType.SET_VRING_NUM, [1, 2, 3, 4, 5, 6, 7, 8]);

  for (let cut = 1; cut < whole.length; cut++) {
    send(whole.subarray(0, cut));
    expect(channel.read()).toBe("wait");
    send(whole.subarray(cut));
    expect(payloadOf(readMessage())).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
  }
});

test("a message may come byte by byte", () => {
  const whole = frame(RequestType.SET_VRING_NUM, [1, 2, 3]);

  whole.forEach((_, at) => {
    if (at > 0) expect(channel.read()).toBe("wait");
    send(whole.subarray(at, at + 1));
  });

  expect(payloadOf(readMessage())).toEqual([1, 2, 3]);
});

test("messages that come together are read one by one", () => {
  const all = [frame(1), frame(2, [7, 7, 7]), frame(3), frame(5, [1])];
  send(Uint8Array.from(all.flatMap((one) => [...one])));

  expect([readMessage(), readMessage(), readMessage(), readMessage()].map(({ request }) => request)).toEqual([
    1, 2, 3, 5,
  ]);
  expect(channel.read()).toBe("wait");
});

test("descriptors come with the message that brought them", () => {
  const fds = [createEventfd(), createEventfd()];
  send(frame(RequestType.SET_MEM_TABLE, [0]), fds);
  send(frame(RequestType.GET_FEATURES));

  const first = readMessage();
  const second = readMessage();

  expect(first.fds).toHaveLength(2);
  for (const fd of first.fds) expect(kindOf(fd)).toContain("eventfd");
  expect(second.fds).toEqual([]);
  for (const fd of [...fds, ...first.fds]) closeFd(fd);
});

test("descriptors may come with any piece of a message", () => {
  const fd = createEventfd();
  const whole = frame(RequestType.SET_VRING_CALL, [0, 0, 0, 0, 0, 0, 0, 0]);
  send(whole.subarray(0, 5), [fd]);
  expect(channel.read()).toBe("wait");
  send(whole.subarray(5, 15));
  expect(channel.read()).toBe("wait");
  send(whole.subarray(15), [fd]);

  const message = readMessage();

  expect(message.fds).toHaveLength(2);
  for (const each of [fd, ...message.fds]) closeFd(each);
});

test("more descriptors in one message than any may bring are refused", () => {
  const fd = createEventfd();
  send(
    frame(RequestType.SET_MEM_TABLE, [0]).subarray(0, 12),
    Array.from({ length: 32 }, () => fd),
  );
  expect(channel.read()).toBe("wait");
  send(Uint8Array.of(0), [fd]);

  expect(() => channel.read()).toThrow(/more descriptors than any may/);
  closeFd(fd);
});

test("descriptors of a message that never became whole are closed with the channel", () => {
  const fd = createEventfd();
  send(frame(RequestType.SET_MEM_TABLE, [1, 2, 3]).subarray(0, 13), [fd]);
  channel.read();

  channel.close();
  isClosed = true;

  closeFd(fd);
});

test("another version is refused", () => {
  for (const flags of [0, 2, 3, 0xffff_fffc]) {
    const [ours, theirs] = socketPair("stream");
    const other = new Channel(theirs);
    closeFd(frontend);
    frontend = ours;
    send(frame(RequestType.GET_FEATURES, [], flags));

    expect(() => other.read()).toThrow(ProtocolError);
    expect(() => other.read()).toThrow(/not version 1/);
    other.close();
  }
});

test("a payload that is too long is refused before it comes", () => {
  send(frame(RequestType.SET_CONFIG, [], 1, payloadBytesMax + 1));
  expect(() => channel.read()).toThrow(/SET_CONFIG has a payload of 4097 bytes, over 4096/);
});

test("a payload of 4 GiB is refused", () => {
  send(frame(77, [], 1, 0xffff_ffff));
  expect(() => channel.read()).toThrow(/request 77 has a payload of 4294967295 bytes/);
});

test("a front-end that goes between two messages has closed", () => {
  send(frame(RequestType.GET_FEATURES));
  hangUp();

  readMessage();
  expect(channel.read()).toBe("closed");
});

test("a front-end that goes in the middle of a message broke the protocol", () => {
  for (const cut of [1, 11, 12, 15]) {
    const [ours, theirs] = socketPair("stream");
    const other = new Channel(theirs);
    closeFd(frontend);
    frontend = ours;
    send(frame(RequestType.SET_FEATURES, [1, 2, 3, 4, 5, 6, 7, 8]).subarray(0, cut));
    hangUp();

    expect(() => other.read()).toThrow(/in the middle of a message/);
    other.close();
  }
});

test("a front-end that goes without reading its answers has closed", () => {
  channel.reply(RequestType.GET_FEATURES, u64(1));
  hangUp();

  expect(channel.read()).toBe("closed");
});

test("answering a front-end that has gone breaks the session, not the process", () => {
  hangUp();

  expect(() => channel.reply(RequestType.GET_FEATURES, u64(1))).toThrow(ProtocolError);
});

test("an answer is the request's number, flags 5 and the payload", () => {
  channel.reply(RequestType.GET_QUEUE_NUM, u64(2));

  expect(received().bytes).toEqual([17, 0, 0, 0, 5, 0, 0, 0, 8, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0]);
});

test("an answer may bring a descriptor, which stays ours too", () => {
  const fd = createEventfd();
  channel.reply(RequestType.GET_INFLIGHT_FD, u64(0), [fd]);

  const { fds } = received();

  expect(fds).toHaveLength(1);
  expect(isOpen(fd)).toBe(true);
  for (const each of [fd, ...fds]) closeFd(each);
});

test("a front-end that never reads its answers ends the session", () => {
  expect(() => {
    for (let count = 0; count < 10_000; count++) channel.reply(RequestType.GET_CONFIG, new Uint8Array(268));
  }).toThrow(/does not read its answer to GET_CONFIG/);
});

test("requests have names for people", () => {
  expect(requestName(33)).toBe("GPU_SET_SOCKET");
  expect(requestName(4711)).toBe("request 4711");
});
