// Signalling a peer's eventfd, whatever the peer has made of it.
import { afterEach, expect, test } from "bun:test";
import { libc } from "../../../src/ffi/libc.ts";
import { createEventfd, createMemfd, isEventfd } from "../../../src/transport/os/fds.ts";
import { Notifier } from "../../../src/transport/os/notifier.ts";
import { socketPair } from "../../../src/transport/os/unix-socket.ts";
import { isOpen, readEventfd } from "../../support/fds.ts";

const fullest = 0xffff_ffff_ffff_fffen;
const open: number[] = [];
const kept = (fd: number): number => {
  open.push(fd);
  return fd;
};
afterEach(() => {
  for (const fd of open.splice(0)) if (isOpen(fd)) libc.close(fd);
});

for (const [kind, flags] of [
  ["blocking", 0],
  ["non-blocking", 0o4000],
] as const) {
  test(`a ${kind} eventfd is signalled, and the signals add up`, () => {
    const fd = kept(libc.eventfd(0, flags));
    const notifier = new Notifier(fd);

    for (let count = 0; count < 3; count++) notifier.signal();

    expect(readEventfd(fd)).toBe(3);
  });

  test(`a ${kind} eventfd whose count is full is not waited for`, () => {
    const fd = kept(libc.eventfd(0, flags));
    libc.write(fd, new BigUint64Array([fullest]), 8);
    const notifier = new Notifier(fd);

    notifier.signal();

    const count = new BigUint64Array(1);
    libc.read(fd, count, 8);
    expect(count[0]).toBe(fullest);
  });
}

test("no descriptor is nobody to signal, and nothing to close", () => {
  Notifier.none.signal();
  Notifier.none.close();
  expect(isOpen(0)).toBe(true);
});

test("a closed notifier has closed its descriptor", () => {
  const fd = kept(createEventfd());
  new Notifier(fd).close();
  expect(isOpen(fd)).toBe(false);
});

test("an eventfd is told from everything else that takes bytes", () => {
  const [one, other] = socketPair("stream");
  const pipe = new Int32Array(2);
  libc.pipe2(pipe, 0);
  const epoll = libc.epoll_create1(0);
  for (const fd of [one, other, ...pipe, epoll, createMemfd("x", 4096)])
    expect(isEventfd(kept(fd))).toBe(false);
  expect(isEventfd(kept(createEventfd()))).toBe(true);
});
