// Sends memory on a socket without a copy: the socket holds the pages themselves until the other side has read them.
// The way there is a pipe: vmsplice(2), then splice(2), which unlike sendmsg(2) raises SIGPIPE; Bun ignores that.

import {
  asPointer,
  EAGAIN,
  EINTR,
  errno,
  F_SETPIPE_SZ,
  libc,
  O_CLOEXEC,
  SPLICE_F_NONBLOCK,
} from "../../ffi/libc.ts";
import { closeFd } from "./fds.ts";
import { type SocketIo, WOULD_BLOCK } from "./unix-socket.ts";

/** As much as any user may give a pipe. */
const pipeBytes = 1024 * 1024;

/** Of {@link PageLender.send}: nothing can be lent here, and what was waiting is to be sent by copy. */
export const REFUSED = -2;

export class PageLender {
  /** Bytes in the pipe, which the socket takes before any other. */
  waiting = 0;
  private readonly pipe = new Int32Array([-1, -1]);

  /**
   * Lends what is waiting or, where nothing is, what `io` has gathered, to a socket that is non-blocking. Answers the
   * bytes taken, {@link WOULD_BLOCK} or {@link REFUSED}: of a dead socket too, whose error a copy brings to light.
   */
  send(io: SocketIo, socket: number): number {
    if (this.waiting === 0 && !this.fill(io)) return this.refuse();
    for (;;) {
      const taken = libc.splice(this.pipe[0]!, null, socket, null, this.waiting, SPLICE_F_NONBLOCK);
      if (taken >= 0) {
        this.waiting -= taken;
        return taken;
      }
      const code = errno();
      if (code === EAGAIN) return WOULD_BLOCK;
      if (code !== EINTR) return this.refuse();
    }
  }

  close(): void {
    this.pipe.forEach(closeFd);
    this.pipe.fill(-1);
    this.waiting = 0;
  }

  /** Puts the first of what was gathered into the empty pipe. Returns false where that can't be. */
  private fill({ gathered }: SocketIo): boolean {
    if (this.pipe[0] === -1) {
      if (libc.pipe2(this.pipe, O_CLOEXEC) < 0) return false;
      // It works with what a pipe has by default, too.
      libc.fcntl(this.pipe[1]!, F_SETPIPE_SZ, pipeBytes);
    }
    const { address, count } = gathered;
    const filled = libc.vmsplice(this.pipe[1]!, asPointer(address), count, SPLICE_F_NONBLOCK);
    this.waiting = Math.max(0, filled);
    return filled > 0;
  }

  private refuse(): number {
    this.close();
    return REFUSED;
  }
}
