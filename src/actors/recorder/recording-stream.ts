// A recording for whoever reads its pipe: what the reader has not taken waits here, and beyond that in the queues' rings, so that
// a slow reader is as a slow disk.

import { EAGAIN, EINTR, errno, libc } from "../../ffi/libc.ts";
import { type Epoll, EPOLLERR, EPOLLET, EPOLLOUT } from "../../transport/os/epoll.ts";
import { closeFd, setNonBlocking } from "../../transport/os/fds.ts";
import type { RecordingOutput } from "./recording-output.ts";

/** Bytes that wait here, beyond which nothing is taken from the rings. */
const waitingMax = 1024 * 1024;

export class RecordingStream implements RecordingOutput {
  readonly taker = "its reader";
  readonly isFar = true;
  /** One frame of a display: the reader shows what is recorded. */
  readonly ageMs = 16;
  isUnread = false;
  private readonly waiting: Uint8Array[] = [];
  private waitingBytes = 0;

  /** Takes over `fd`, the writing end of a pipe. */
  constructor(
    private readonly fd: number,
    readonly name: string,
    private readonly epoll: Epoll,
  ) {
    setNonBlocking(fd);
    epoll.add(fd, EPOLLOUT | EPOLLET, (events) => {
      if ((events & EPOLLERR) !== 0) this.leave();
      else this.proceed();
    });
  }

  get hasRoom(): boolean {
    return this.waitingBytes < waitingMax;
  }

  get isTaken(): boolean {
    return this.waitingBytes === 0;
  }

  readonly append = (bytes: Uint8Array): void => {
    if (this.isUnread) return;
    const taken = this.isTaken ? this.give(bytes) : 0;
    if (taken === bytes.length || this.isUnread) return;
    // They are the writer's own, who writes over them.
    this.waiting.push(bytes.slice(taken));
    this.waitingBytes += bytes.length - taken;
  };

  proceed(): void {
    while (this.waiting.length > 0) {
      const first = this.waiting[0]!;
      const taken = this.give(first);
      this.waitingBytes = Math.max(0, this.waitingBytes - taken);
      if (taken === 0) return;
      if (taken === first.length) this.waiting.shift();
      else this.waiting[0] = first.subarray(taken);
    }
  }

  close(): void {
    this.epoll.remove(this.fd);
    closeFd(this.fd);
  }

  discard(): void {
    this.close();
  }

  /** Returns how many bytes the pipe has taken. */
  private give(bytes: Uint8Array): number {
    const taken = Number(libc.write(this.fd, bytes, bytes.length));
    if (taken >= 0) return taken;
    const code = errno();
    if (code !== EAGAIN && code !== EINTR) this.leave();
    return 0;
  }

  private leave(): void {
    this.isUnread = true;
    this.waiting.length = this.waitingBytes = 0;
  }
}
