// Lets only so many bytes pass to a socket, as a full one does; then nothing more.

import { libc, SO_SNDBUF, SOL_SOCKET } from "../../src/ffi/libc.ts";
import { SocketIo, WOULD_BLOCK } from "../../src/transport/os/unix-socket.ts";

const sendBuffer = new Int32Array([256 * 1024]);

export class Valve {
  constructor(private left: number) {}

  get isShut(): boolean {
    return this.left === 0;
  }

  /** Runs `work` with the valve in place. */
  around(work: () => void): void {
    const { send } = SocketIo.prototype;
    const refused = new Set<number>();
    const limited = (io: SocketIo, ...args: Parameters<typeof send>): number => {
      if (this.left === 0) {
        refused.add(args[0]);
        return WOULD_BLOCK;
      }
      // The first range only, cut to what may pass.
      const inside = io as unknown as { data: DataView; iovecOffset: number; iovecs: number };
      const length = Math.min(this.left, inside.data.getUint32(inside.iovecOffset + 8, true));
      inside.data.setUint32(inside.iovecOffset + 8, length, true);
      inside.iovecs = 1;
      const sent = send.apply(io, args);
      this.left -= sent;
      return sent;
    };
    SocketIo.prototype.send = function (this: SocketIo, ...args) {
      return limited(this, ...args);
    };
    try {
      work();
    } finally {
      SocketIo.prototype.send = send;
      // As one does that has room again, a socket whose buffer is sized tells its watchers that it can be written.
      for (const socket of refused) libc.setsockopt(socket, SOL_SOCKET, SO_SNDBUF, sendBuffer, 4);
    }
  }
}
