// Waiting for descriptors: handlers, doorbells that are never read, removal while events are handed out.
import { afterEach, beforeEach, expect, test } from "bun:test";
import { Epoll, EPOLLET, EPOLLHUP, EPOLLIN, EPOLLOUT } from "../../../src/transport/os/epoll.ts";
import { closeFd, createEventfd } from "../../../src/transport/os/fds.ts";
import { socketPair } from "../../../src/transport/os/unix-socket.ts";
import { libc } from "../../../src/ffi/libc.ts";

const one = new BigUint64Array([1n]);
const write = (fd: number): void => void libc.write(fd, one, 8);

let epoll: Epoll;
let fds: number[];
beforeEach(() => {
  epoll = new Epoll();
  fds = [];
});
afterEach(() => {
  epoll.close();
  for (const fd of fds) closeFd(fd);
});

function eventfd(): number {
  const fd = createEventfd();
  fds.push(fd);
  return fd;
}

test("nothing ready answers zero once the time is over", () => {
  epoll.add(eventfd(), EPOLLIN, () => expect.unreachable());

  expect(epoll.wait(0)).toBe(0);
  expect(epoll.wait(1)).toBe(0);
});

test("the handler of a ready descriptor runs with its events", () => {
  const [ours, theirs] = socketPair("stream");
  fds.push(ours);
  const events: number[] = [];
  epoll.add(ours, EPOLLIN | EPOLLOUT, (what) => events.push(what));

  expect(epoll.wait(-1)).toBe(1);
  closeFd(theirs);
  expect(epoll.wait(-1)).toBe(1);

  expect(events[0]! & (EPOLLIN | EPOLLOUT)).toBe(EPOLLOUT);
  expect(events[1]! & (EPOLLIN | EPOLLHUP)).toBe(EPOLLIN | EPOLLHUP);
});

test("an edge-triggered doorbell wakes once for every write and is never read", () => {
  const bell = eventfd();
  let rings = 0;
  epoll.add(bell, EPOLLIN | EPOLLET, () => rings++);

  for (let round = 1; round <= 100; round++) {
    write(bell);
    expect(epoll.wait(-1)).toBe(1);
    expect(rings).toBe(round);
    expect(epoll.wait(0)).toBe(0);
  }
});

test("a doorbell that rang before it was watched wakes too", () => {
  const bell = eventfd();
  write(bell);
  let rings = 0;
  epoll.add(bell, EPOLLIN | EPOLLET, () => rings++);

  expect(epoll.wait(0)).toBe(1);
  expect(rings).toBe(1);
});

test("two sets each hear the same doorbell", () => {
  const other = new Epoll();
  const bell = eventfd();
  for (const set of [epoll, other]) set.add(bell, EPOLLIN | EPOLLET, () => undefined);

  write(bell);

  expect(epoll.wait(0)).toBe(1);
  expect(other.wait(0)).toBe(1);
  expect(epoll.wait(0)).toBe(0);
  other.close();
});

test("a handler may remove another descriptor whose event has already come", () => {
  const [first, second] = [eventfd(), eventfd()];
  const ran: string[] = [];
  const removeOther = (name: string, other: number) => () => {
    ran.push(name);
    epoll.remove(other);
    closeFd(other);
    fds.splice(fds.indexOf(other), 1);
  };
  epoll.add(first, EPOLLIN, removeOther("first", second));
  epoll.add(second, EPOLLIN, removeOther("second", first));
  write(first);
  write(second);

  expect(epoll.wait(0)).toBe(2);

  expect(ran).toHaveLength(1);
});

test("a handler may remove itself", () => {
  const fd = eventfd();
  write(fd);
  epoll.add(fd, EPOLLIN, () => epoll.remove(fd));

  expect(epoll.wait(0)).toBe(1);
  expect(epoll.wait(0)).toBe(0);
});

test("removing what is not watched does nothing", () => {
  expect(() => epoll.remove(12345)).not.toThrow();
});

test("a descriptor can be watched again after it was removed", () => {
  const fd = eventfd();
  let ran = 0;
  epoll.add(fd, EPOLLIN, () => expect.unreachable());
  epoll.remove(fd);
  epoll.add(fd, EPOLLIN, () => ran++);
  write(fd);

  epoll.wait(0);

  expect(ran).toBe(1);
});

test("what cannot be watched throws and has no handler", () => {
  expect(() => epoll.add(-1, EPOLLIN, () => undefined)).toThrow(/epoll_ctl failed with EBADF/);
  expect(() => epoll.remove(-1)).not.toThrow();
});

test("more ready descriptors than one call hands out are all served", () => {
  const ran = new Set<number>();
  for (let count = 0; count < 100; count++) {
    const fd = eventfd();
    epoll.add(fd, EPOLLIN | EPOLLET, () => ran.add(fd));
    write(fd);
  }

  while (epoll.wait(0) > 0);

  expect(ran.size).toBe(100);
});
