// Text for a descriptor that others share, such as standard error: written without ever blocking on whoever reads it,
// and without making it non-blocking, which the others would notice.

import { fstatSync } from "node:fs";
import {
  EAGAIN,
  EDQUOT,
  EFBIG,
  EINTR,
  ENOSPC,
  errno,
  libc,
  MSG_DONTWAIT,
  MSG_NOSIGNAL,
} from "../../ffi/libc.ts";
import { milliseconds } from "./clock.ts";

/** A pipe that poll(2) calls writable has room for so much (PIPE_BUF). */
const pieceBytes = 4096;
const queueBytesMax = 256 * 1024;
const retryMs = 50;
/** A file that cannot grow now, and may again when somebody has made room. */
const fullErrors: ReadonlySet<number> = new Set([ENOSPC, EDQUOT, EFBIG]);

const POLLOUT = 4;

export class PatientWriter {
  private readonly isSocket: boolean;
  /** struct pollfd: fd, then events and revents. */
  private readonly pollfd: Int32Array;
  private readonly waiting: Buffer[] = [];
  private waitingBytes = 0;
  private dropped = 0;
  private retry: Timer | undefined;
  private isBroken = false;
  /** Whether what it writes to is a file that cannot grow, which no poll tells of. */
  private isFull = false;

  constructor(private readonly fd: number) {
    this.isSocket = kindOf(fd)?.isSocket() ?? false;
    this.pollfd = new Int32Array([fd, POLLOUT]);
  }

  /**
   * Writes lines now or when there is room; while nobody reads, or the disk is full, what goes beyond 256 KiB is dropped and
   * counted.
   */
  write(text: string): void {
    if (this.isBroken) return;
    const bytes = Buffer.from(text);
    if (this.waitingBytes + bytes.length > queueBytesMax) {
      this.dropped++;
      return;
    }
    this.waiting.push(bytes);
    this.waitingBytes += bytes.length;
    this.proceed();
  }

  /** Gives what waits a last chance, for at most `ms`. */
  flush(ms: number): void {
    for (const end = milliseconds() + ms; ;) {
      this.proceed();
      const leftMs = Math.ceil(end - milliseconds());
      if (this.waiting.length === 0 || leftMs <= 0 || this.isBroken || this.isFull) break;
      this.isWritable(leftMs);
    }
    clearTimeout(this.retry);
  }

  private proceed(): void {
    while (this.waiting.length > 0 && this.writeFirst());
    if (this.waiting.length > 0 && !this.isBroken) {
      clearTimeout(this.retry);
      this.retry = setTimeout(() => this.proceed(), retryMs);
      // What nobody reads keeps no process alive.
      this.retry.unref();
    } else if (this.dropped > 0 && !this.isBroken) {
      const text = `${this.dropped} lines are missing here: nobody read them in time\n`;
      this.dropped = 0;
      this.write(text);
    }
  }

  /** Writes a piece of what waits longest. Returns false when there is no room. */
  private writeFirst(): boolean {
    const first = this.waiting[0]!;
    const count = Math.min(first.length, pieceBytes);
    if (!this.isSocket && !this.isWritable(0)) return false;
    const written = this.isSocket
      ? libc.send(this.fd, first, count, MSG_DONTWAIT | MSG_NOSIGNAL)
      : libc.write(this.fd, first, count);
    if (written < 0) {
      const code = errno();
      if (code === EINTR) return true;
      // Whoever read it has gone, or there never was a file.
      this.isFull = fullErrors.has(code);
      if (code !== EAGAIN && !this.isFull) this.isBroken = true;
      return false;
    }
    this.isFull = false;
    this.waitingBytes -= written;
    if (written === first.length) this.waiting.shift();
    else this.waiting[0] = first.subarray(written);
    return true;
  }

  private isWritable(waitMs: number): boolean {
    return libc.poll(this.pollfd, 1, waitMs) > 0;
  }
}

function kindOf(fd: number) {
  try {
    return fstatSync(fd);
  } catch {
    // A closed one: writing says so.
    return null;
  }
}
