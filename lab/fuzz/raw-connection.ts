// A stream to the server on which anything can be said; what comes back is counted, and its end kept.

import { createConnection, type NetConnectOpts, type Socket } from "node:net";
import { patienceMs, Seen } from "./target.ts";

/** Of what was received first. */
const keptBytes = 256;

export class RawConnection {
  isClosed = false;
  /** Line feeds that came. */
  lines = 0;
  /** What came first, as much as a line of status needs. */
  first = "";
  private waiting: (() => void) | null = null;

  private constructor(private readonly socket: Socket) {
    socket.on("data", (chunk: Buffer) => {
      for (let at = chunk.indexOf(10); at >= 0; at = chunk.indexOf(10, at + 1)) this.lines++;
      if (this.first.length < keptBytes) this.first += chunk.toString("latin1", 0, keptBytes);
      this.wake();
    });
    socket.on("drain", () => this.wake());
    socket.on("close", () => {
      this.isClosed = true;
      this.wake();
    });
  }

  static open(options: NetConnectOpts): Promise<RawConnection> {
    return new Promise((resolve, reject) => {
      const socket = createConnection(options);
      const connection = new RawConnection(socket);
      socket.on("connect", () => resolve(connection));
      // Once it is open, an error is the end that "close" tells.
      socket.on("error", reject);
    });
  }

  write(bytes: Uint8Array | string): void {
    if (!this.isClosed) this.socket.write(bytes);
  }

  /** Resolves when it happened, or the server has hung up. Throws a {@link Seen} where neither comes. */
  async until(happened: () => boolean, what: string): Promise<void> {
    const deadline = performance.now() + patienceMs;
    while (!happened() && !this.isClosed) {
      const leftMs = deadline - performance.now();
      if (leftMs <= 0) throw new Seen(`${what}: nothing after ${patienceMs} ms`);
      const { promise, resolve } = Promise.withResolvers<void>();
      this.waiting = resolve;
      const timer = setTimeout(resolve, leftMs);
      await promise;
      clearTimeout(timer);
    }
  }

  close(): void {
    this.socket.destroy();
  }

  private wake(): void {
    this.waiting?.();
    this.waiting = null;
  }
}
