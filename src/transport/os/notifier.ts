// An eventfd of a peer's that we signal: a guest's interrupt, a VMM's error. Never waits, whatever its owner made of it.

import { libc, O_NONBLOCK, POLLOUT } from "../../ffi/libc.ts";
import { closeFd, statusFlagsOf } from "./fds.ts";

const one = new BigUint64Array([1n]);
/** struct pollfd: the descriptor, then `events` and `revents` of 16 bits each. */
const asked = new Int32Array(2);

export class Notifier {
  /** Signals nobody. */
  static readonly none = new Notifier(-1);

  /**
   * A write to an eventfd whose count is full waits for a reader, unless it is non-blocking. The flag is not ours to set: it is
   * the owner's too: quirks.crosvmWaitsByReading.
   */
  private readonly mayBlock: boolean;

  /** Takes over `fd`; -1 is the mark of "none". */
  constructor(readonly fd: number) {
    this.mayBlock = fd >= 0 && (statusFlagsOf(fd) & O_NONBLOCK) === 0;
  }

  /** Adds one to the count, unless that is full: its owner has not taken what would wake it then either. */
  signal(): void {
    if (this.fd < 0 || (this.mayBlock && !this.hasRoom())) return;
    libc.write(this.fd, one, 8);
  }

  close(): void {
    closeFd(this.fd);
  }

  private hasRoom(): boolean {
    asked[0] = this.fd;
    asked[1] = POLLOUT;
    return libc.poll(asked, 1, 0) === 1 && ((asked[1] >>> 16) & POLLOUT) !== 0;
  }
}
