// Descriptors on their way to another process: a packet socket beside the ring, whose packets are taken in the order of the
// messages that bring them. What is never taken is closed by the kernel, with the last end.

import { ECONNRESET, EPIPE } from "../../../ffi/libc.ts";
import { SystemError } from "../../../transport/os/errors.ts";
import { closeFd } from "../../../transport/os/fds.ts";
import { NativeMemory } from "../../../transport/os/native-memory.ts";
import { fdsPerMessageMax, SocketIo, WOULD_BLOCK } from "../../../transport/os/unix-socket.ts";
import { LineError } from "./line.ts";

const hasEnded: ReadonlySet<number> = new Set([EPIPE, ECONNRESET]);

/** One a thread, from its first line to its last: memory outlives a thread that has crashed. */
let shared: { io: SocketIo; byte: NativeMemory } | null = null;
let users = 0;
const scratch = () => (shared ??= { io: new SocketIo(), byte: NativeMemory.allocate(1) });

function letGo(): void {
  if (--users > 0 || shared === null) return;
  shared.io.close();
  shared.byte.unmap();
  shared = null;
}

export class DescriptorSocket {
  /** How many descriptors of the message that is being sent have gone already. */
  gone = 0;

  /** Takes over `fd`. */
  constructor(private readonly fd: number) {
    // Made with the line, not amid the first message.
    scratch();
    users++;
  }

  /**
   * Sends descriptors, and closes ours. Returns false where there is no room for all: try the same ones again later.
   */
  send(fds: readonly number[]): boolean {
    const { io, byte } = scratch();
    while (this.gone < fds.length) {
      const some = fds.slice(this.gone, this.gone + fdsPerMessageMax);
      io.clear();
      io.gather(byte.address, 1);
      if (this.attempt(some) === WOULD_BLOCK) return false;
      some.forEach(closeFd);
      this.gone += some.length;
    }
    this.gone = 0;
    return true;
  }

  /** Receives the `count` descriptors of a message. */
  receive(count: number): number[] {
    const { io, byte } = scratch();
    const fds: number[] = [];
    while (fds.length < count) {
      const length = io.receive(this.fd, byte.address, 1);
      const came = io.receivedFds;
      fds.push(...came);
      if (length > 0 && came.length > 0 && !io.truncatedFds && fds.length <= count) continue;
      fds.forEach(closeFd);
      throw new LineError("has sent a message without its descriptors, or there was no room for them here");
    }
    return fds;
  }

  close(): void {
    closeFd(this.fd);
    letGo();
  }

  /** To a process that has ended everything can be sent: it is lost, as the message is. */
  private attempt(fds: readonly number[]): number {
    try {
      return scratch().io.send(this.fd, fds);
    } catch (error) {
      if (error instanceof SystemError && hasEnded.has(error.errno)) return fds.length;
      throw error;
    }
  }
}
