// Sockets that carry descriptors: both ways, in every number, with nothing blocked and nothing leaked.
import { afterEach, beforeEach, expect, test } from "bun:test";
import { existsSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { AF_UNIX, libc, SOCK_STREAM } from "../../../src/ffi/libc.ts";
import { closeFd, createEventfd, createMemfd } from "../../../src/transport/os/fds.ts";
import { NativeMemory } from "../../../src/transport/os/native-memory.ts";
import {
  acceptUnix,
  connectUnix,
  listenUnix,
  NOBODY,
  removeSocket,
} from "../../../src/transport/os/unix-path.ts";
import {
  CLOSED,
  fdsPerMessageMax,
  notStream,
  SocketIo,
  socketPair,
  WOULD_BLOCK,
} from "../../../src/transport/os/unix-socket.ts";
import { isOpen, kindOf } from "../../support/fds.ts";

let io: SocketIo;
let memory: NativeMemory;
let bytes: Uint8Array;
let ours: number;
let theirs: number;
let folder: string;

beforeEach(() => {
  io = new SocketIo();
  memory = NativeMemory.allocate(2 ** 20);
  bytes = new Uint8Array(memory.view());
  [ours, theirs] = socketPair("stream");
  folder = mkdtempSync(join(tmpdir(), "fencepost-test-"));
});
afterEach(() => {
  closeFd(ours);
  closeFd(theirs);
  io.close();
  memory.unmap();
  rmSync(folder, { recursive: true });
});

function send(socket: number, length: number, fds: readonly number[] = []): number {
  io.clear();
  io.gather(memory.address, length);
  return io.send(socket, fds);
}

const receive = (socket: number, length = 4096): number => io.receive(socket, memory.address + 65536, length);
const received = (length: number): number[] => [...bytes.subarray(65536, 65536 + length)];

test("bytes arrive as they were sent, in both directions", () => {
  bytes.set([1, 2, 3, 4, 5]);

  expect(send(ours, 5)).toBe(5);
  expect(receive(theirs)).toBe(5);
  expect(received(5)).toEqual([1, 2, 3, 4, 5]);
  expect(send(theirs, 3)).toBe(3);
  expect(receive(ours)).toBe(3);
  expect(received(3)).toEqual([1, 2, 3]);
});

test("a send gathers from many ranges", () => {
  bytes.forEach((_, at) => (bytes[at] = at % 256));
  io.clear();
  for (let range = 0; range < SocketIo.rangesMax; range++) io.gather(memory.address + range * 2, 1);

  expect(io.send(ours)).toBe(SocketIo.rangesMax);
  expect(receive(theirs, 4096)).toBe(SocketIo.rangesMax);

  expect(received(SocketIo.rangesMax)).toEqual(
    Array.from({ length: SocketIo.rangesMax }, (_, range) => (range * 2) % 256),
  );
});

test("an empty socket would block, a closed one says so", () => {
  expect(receive(theirs)).toBe(WOULD_BLOCK);
  closeFd(ours);
  ours = -1;
  expect(receive(theirs)).toBe(CLOSED);
});

test("a full socket takes a part and then would block", () => {
  let taken = 0;
  for (;;) {
    const count = send(ours, 2 ** 20 - 1);
    if (count === WOULD_BLOCK) break;
    taken += count;
  }
  let got = 0;
  for (;;) {
    const count = receive(theirs, 65536);
    if (count === WOULD_BLOCK) break;
    got += count;
  }
  expect(taken).toBeGreaterThan(0);
  expect(got).toBe(taken);
});

test("sending to a closed peer throws and does not kill the process", () => {
  closeFd(theirs);
  theirs = -1;

  expect(() => send(ours, 1)).toThrow(/sendmsg failed with EPIPE/);
});

for (const count of [1, 2, 31, fdsPerMessageMax]) {
  test(`${count} descriptors arrive as duplicates that the receiver owns`, () => {
    const sent = Array.from({ length: count }, () => createEventfd());
    send(ours, 1, sent);

    expect(receive(theirs)).toBe(1);

    expect(io.truncatedFds).toBe(false);
    expect(io.receivedFds).toHaveLength(count);
    for (const fd of io.receivedFds) {
      expect(sent).not.toContain(fd);
      expect(kindOf(fd)).toContain("eventfd");
    }
    for (const fd of [...sent, ...io.receivedFds]) closeFd(fd);
  });
}

test("descriptors of an earlier message are not those of the next", () => {
  const fd = createEventfd();
  send(ours, 1, [fd]);
  send(ours, 1);

  receive(theirs, 1);
  const first = [...io.receivedFds];
  receive(theirs, 1);

  expect(first).toHaveLength(1);
  expect(io.receivedFds).toEqual([]);
  for (const each of [fd, ...first]) closeFd(each);
});

test("more descriptors than there is room for are closed by the kernel and reported", () => {
  const fd = createEventfd();
  const count = fdsPerMessageMax + 1;
  sendManyFds(
    ours,
    Array.from({ length: count }, () => fd),
  );

  expect(receive(theirs)).toBe(1);

  expect(io.truncatedFds).toBe(true);
  expect(io.receivedFds).toHaveLength(fdsPerMessageMax);
  for (const each of [fd, ...io.receivedFds]) closeFd(each);
});

test("sending more descriptors than a message may bring throws", () => {
  const fd = createEventfd();

  expect(() =>
    send(
      ours,
      1,
      Array.from({ length: fdsPerMessageMax + 1 }, () => fd),
    ),
  ).toThrow(RangeError);
  closeFd(fd);
});

test("seqpacket keeps the borders of messages", () => {
  const [one, other] = socketPair("seqpacket");
  bytes.set([9, 8, 7]);

  send(one, 2);
  send(one, 3);

  expect(receive(other)).toBe(2);
  expect(receive(other)).toBe(3);
  expect(received(3)).toEqual([9, 8, 7]);
  closeFd(one);
  closeFd(other);
});

test("a listener takes connections, and says when none waits", () => {
  const path = join(folder, "a.sock");
  const listener = listenUnix(path, "stream");

  expect(acceptUnix(listener)).toBe(-1);
  const client = connectUnix(path, "stream");
  const server = acceptUnix(listener);
  send(client, 3);
  expect(receive(server)).toBe(3);

  for (const fd of [listener, client, server]) closeFd(fd);
});

test("a socket that a dead server left behind is replaced", () => {
  const path = join(folder, "a.sock");
  closeFd(listenUnix(path, "stream"));

  const listener = listenUnix(path, "stream");
  const client = connectUnix(path, "stream");

  closeFd(listener);
  closeFd(client);
});

test("a socket that a live server listens on is refused", () => {
  const path = join(folder, "a.sock");
  const listener = listenUnix(path, "stream");

  expect(() => listenUnix(path, "stream")).toThrow(/another process is listening/);

  closeFd(connectUnix(path, "stream"));
  closeFd(listener);
});

test("a live socket of the other kind is refused", () => {
  const path = join(folder, "a.sock");
  const listener = listenUnix(path, "seqpacket");

  expect(() => listenUnix(path, "stream")).toThrow(/another process is listening/);

  closeFd(connectUnix(path, "seqpacket"));
  closeFd(listener);
});

test("a live socket that is refused hears nothing of it", () => {
  for (const kind of ["stream", "seqpacket"] as const) {
    const path = join(folder, kind);
    const listener = listenUnix(path, kind);
    expect(() => listenUnix(path, "stream")).toThrow("another process is listening");
    expect(acceptUnix(listener)).toBe(NOBODY);
    closeFd(listener);
  }
});

test("a live socket whose backlog is full is refused without waiting", () => {
  const path = join(folder, "a.sock");
  const listener = listenUnix(path, "stream", 0);
  const waiting = connectUnix(path, "stream");

  expect(() => listenUnix(path, "stream")).toThrow(/another process is listening/);

  closeFd(waiting);
  closeFd(listener);
});

test("a socket is removed by whoever listened there, and not when another listens there by now", () => {
  const path = join(folder, "socket");
  closeFd(listenUnix(path, "stream"));
  removeSocket(path);
  expect(existsSync(path)).toBe(false);
  const another = listenUnix(path, "stream");
  removeSocket(path);
  expect(existsSync(path)).toBe(true);
  closeFd(another);
  removeSocket(path);
  writeFileSync(path, "");
  removeSocket(path);
  expect(existsSync(path)).toBe(true);
});

test("a path that is no socket is refused and left alone", () => {
  const path = join(folder, "file");
  writeFileSync(path, "precious");

  expect(() => listenUnix(path, "stream")).toThrow(/exists and is not a socket/);
  symlinkSync(path, join(folder, "link"));
  expect(() => listenUnix(join(folder, "link"), "stream")).toThrow(/exists and is not a socket/);
});

test("a path that is too long for a socket is named", () => {
  const path = `/tmp/${"x".repeat(120)}`;

  expect(() => listenUnix(path, "stream")).toThrow(/no longer than 107 bytes/);
  expect(() => connectUnix(path, "stream")).toThrow(/no longer than 107 bytes/);
});

test("connecting to nobody names the path", () => {
  expect(() => connectUnix(join(folder, "none"), "stream")).toThrow(/none: connect failed with ENOENT/);
});

test("a folder that does not exist is named", () => {
  expect(() => listenUnix(join(folder, "no", "a.sock"), "stream")).toThrow(/there is no folder .*\/no for /);
});

/** A sendmsg of one byte with any number of descriptors, which SocketIo refuses. */
function sendManyFds(socket: number, fds: number[]): void {
  const scratch = NativeMemory.allocate(4096);
  const data = new DataView(scratch.view());
  const at = (offset: number, value: number) => data.setBigUint64(offset, BigInt(value), true);
  const control = 16 + fds.length * 4;
  at(16, scratch.address + 64);
  at(24, 1);
  at(32, scratch.address + 128);
  at(40, (control + 7) & ~7);
  at(64, scratch.address + 4000);
  at(72, 1);
  at(128, control);
  data.setInt32(136, 1, true);
  data.setInt32(140, 1, true);
  fds.forEach((fd, index) => data.setInt32(144 + index * 4, fd, true));
  expect(libc.sendmsg(socket, scratch.address as never, 0)).toBe(1);
  scratch.unmap();
}

test("a descriptor that was sent stays the sender's own", () => {
  const fd = createEventfd();
  send(ours, 1, [fd]);
  receive(theirs);

  expect(isOpen(fd)).toBe(true);
  for (const each of [fd, ...io.receivedFds]) closeFd(each);
});

test("a connected stream is told from everything else that a descriptor may be", () => {
  const AF_INET = 2;
  const listener = listenUnix(join(folder, "socket"), "stream");
  const [packets, otherEnd] = socketPair("seqpacket");
  const memfd = createMemfd("no-socket", 4096);
  const loose = libc.socket(AF_UNIX, SOCK_STREAM, 0);
  const internet = libc.socket(AF_INET, SOCK_STREAM, 0);

  expect(notStream(ours)).toBe("");
  expect(notStream(listener)).toBe("a listening socket");
  expect(notStream(packets)).toBe("a socket for packets");
  expect(notStream(memfd)).toBe("no socket");
  expect(notStream(1_000_000)).toBe("no socket");
  expect(notStream(loose)).toBe("a socket that is not connected");
  expect(notStream(internet)).toBe("a socket of another family than AF_UNIX");

  for (const fd of [listener, packets, otherEnd, memfd, loose, internet]) closeFd(fd);
});

test("a stream whose peer has hung up was connected", () => {
  closeFd(theirs);
  theirs = -1;

  expect(notStream(ours)).toBe("");
});
