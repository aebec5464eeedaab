// A Unix datagram socket that somebody sends lines to, as the journal and a service manager have one.

import { rmSync } from "node:fs";
import { AF_UNIX, libc, SOCK_CLOEXEC, SOCK_DGRAM, SOCK_NONBLOCK } from "../../src/ffi/libc.ts";
import { datagramAddress } from "../../src/transport/os/datagram-peer.ts";
import { checked } from "../../src/transport/os/errors.ts";
import { closeFd } from "../../src/transport/os/fds.ts";

export class DatagramListener {
  private readonly fd: number;

  constructor(readonly path: string) {
    const address = datagramAddress(path);
    this.fd = checked(libc.socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), "socket", path);
    checked(libc.bind(this.fd, address, address.length), "bind", path);
  }

  /** The next datagram that is there; null where there is none. */
  next(): string | null {
    const bytes = Buffer.alloc(65_536);
    const count = libc.read(this.fd, bytes, bytes.length);
    return count < 0 ? null : bytes.toString("utf8", 0, count);
  }

  /** The next one that has such a line, once it comes. */
  async until(line: string): Promise<string> {
    for (;;) {
      const text = this.next();
      if (text?.split("\n").includes(line)) return text;
      if (text === null) await Bun.sleep(5);
    }
  }

  close(): void {
    closeFd(this.fd);
    rmSync(this.path, { force: true });
  }
}
