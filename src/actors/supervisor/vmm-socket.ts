// The socket that front-ends come to, from when it is bound until nothing of it is left.

import { rmSync } from "node:fs";
import type { ServerConfig } from "../../config.ts";
import { closeFd } from "../../transport/os/fds.ts";
import { listenUnix, removeSocket } from "../../transport/os/unix-path.ts";

/** Front-ends that may wait for the one that is served. */
const backlog = 4;

export class VmmSocket {
  /** Where front-ends come to: they wait there until the session has it. -1 once that has. */
  private listener = -1;
  /** Whether the session may leave the socket at its path behind. */
  private isOwed = false;

  constructor(private readonly config: ServerConfig) {}

  /** Listens before anybody can be served: who comes early waits, and is not refused. */
  open(): void {
    const { fd, socketPath, socketMode: mode, socketGroup: group = -1 } = this.config;
    if (fd === undefined) this.listener = listenUnix(socketPath, "stream", backlog, { mode, group });
  }

  /** Gives it to the session: this one, or an inherited one. */
  handOver(): number {
    const { listener } = this;
    this.isOwed = listener >= 0;
    this.listener = -1;
    return this.config.fd ?? listener;
  }

  /** The session has ended, and removed it. */
  settled(): void {
    this.isOwed = false;
  }

  remove(): void {
    const { socketPath } = this.config;
    if (this.listener >= 0) {
      closeFd(this.listener);
      this.listener = -1;
      removeSocket(socketPath);
    }
    if (this.isOwed) rmSync(socketPath, { force: true });
  }
}
