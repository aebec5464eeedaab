// Waiting for descriptors with epoll(7), for threads that block in it.

import {
  asPointer,
  EINTR,
  EPOLL_CLOEXEC,
  EPOLL_CTL_ADD,
  EPOLL_CTL_DEL,
  EPOLL_CTL_MOD,
  errno,
  libc,
} from "../../ffi/libc.ts";
import { checked, SystemError } from "./errors.ts";
import { NativeMemory } from "./native-memory.ts";

export { EPOLLERR, EPOLLET, EPOLLHUP, EPOLLIN, EPOLLOUT, EPOLLRDHUP } from "../../ffi/libc.ts";

const eventsMax = 32;
/** struct epoll_event is packed on x86-64 only. */
const eventBytes = process.arch === "x64" ? 12 : 16;
const dataOffset = process.arch === "x64" ? 4 : 8;

export type ReadyHandler = (events: number) => void;

/** One epoll instance with a handler per descriptor. Not thread-safe: each thread makes its own. */
export class Epoll {
  /** Itself readable when one of those that it watches is ready. */
  readonly fd = checked(libc.epoll_create1(EPOLL_CLOEXEC), "epoll_create1", "creating an epoll set");
  private readonly memory = NativeMemory.allocate(eventBytes * (eventsMax + 1));
  private readonly data = new DataView(this.memory.view());
  private readonly ctlOffset = eventBytes * eventsMax;
  private readonly handlers = new Map<number, ReadyHandler>();

  /** Watches `fd` for `events`; with EPOLLET the descriptor need not be drained. */
  add(fd: number, events: number, handler: ReadyHandler): void {
    this.control(EPOLL_CTL_ADD, fd, events);
    this.handlers.set(fd, handler);
  }

  modify(fd: number, events: number): void {
    this.control(EPOLL_CTL_MOD, fd, events);
  }

  /** Stops watching `fd`; must come before it is closed. */
  remove(fd: number): void {
    if (this.handlers.delete(fd)) this.control(EPOLL_CTL_DEL, fd, 0);
  }

  /** Waits at most `timeoutMs` (-1: for ever), then runs the handlers of what is ready. Returns how many ran. */
  wait(timeoutMs: number): number {
    const count = libc.epoll_wait(this.fd, asPointer(this.memory.address), eventsMax, timeoutMs);
    if (count < 0) {
      if (errno() === EINTR) return 0;
      throw new SystemError("epoll_wait", errno(), "waiting for events");
    }
    for (let index = 0; index < count; index++) {
      const offset = index * eventBytes;
      const fd = this.data.getInt32(offset + dataOffset, true);
      // A handler that ran before may have removed this descriptor.
      this.handlers.get(fd)?.(this.data.getUint32(offset, true));
    }
    return count;
  }

  close(): void {
    libc.close(this.fd);
    this.handlers.clear();
    this.memory.unmap();
  }

  private control(operation: number, fd: number, events: number): void {
    this.data.setUint32(this.ctlOffset, events >>> 0, true);
    this.data.setInt32(this.ctlOffset + dataOffset, fd, true);
    const event = asPointer(this.memory.address + this.ctlOffset);
    checked(libc.epoll_ctl(this.fd, operation, fd, event), "epoll_ctl", `watching fd ${fd}`);
  }
}
