// A Unix datagram socket of somebody else's, to which lines are sent: the journal's, or a service manager's. Nobody waits for
// it, and it may go and come back.

import {
  AF_UNIX,
  ECONNREFUSED,
  ECONNRESET,
  errno,
  libc,
  MSG_DONTWAIT,
  MSG_NOSIGNAL,
  SOCK_CLOEXEC,
  SOCK_DGRAM,
} from "../../ffi/libc.ts";
import { checked } from "./errors.ts";
import { closeFd } from "./fds.ts";
import { sockaddrOf, sunPathBytes } from "./unix-path.ts";

/** The socket that this one was connected to is no longer there; another may be, at its path. */
const wasReplaced: ReadonlySet<number> = new Set([ECONNREFUSED, ECONNRESET]);

export class DatagramPeer {
  private readonly address: Uint8Array;
  private fd = -1;

  /** `path`: one that begins with "@" is in the abstract namespace (unix(7)). */
  constructor(path: string) {
    this.address = datagramAddress(path);
  }

  /** Sends one datagram; returns whether it was taken. Connects anew where whoever was there has gone. */
  send(text: string): boolean {
    const bytes = Buffer.from(text);
    return this.attempt(bytes) || (this.fd < 0 && this.attempt(bytes));
  }

  close(): void {
    closeFd(this.fd);
    this.fd = -1;
  }

  /** Leaves no socket behind where another may do better. */
  private attempt(bytes: Buffer): boolean {
    if (this.fd < 0 && !this.connect()) return false;
    if (libc.send(this.fd, bytes, bytes.length, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0) return true;
    if (wasReplaced.has(errno())) this.close();
    return false;
  }

  private connect(): boolean {
    const fd = checked(libc.socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), "socket", "reaching a log");
    if (libc.connect(fd, this.address, this.address.length) < 0) closeFd(fd);
    else this.fd = fd;
    return this.fd >= 0;
  }
}

/** A struct sockaddr_un; names beyond what it has room for are cut, and lead nowhere. */
export function datagramAddress(path: string): Uint8Array {
  const name = Buffer.from(path.startsWith("@") ? `\0${path.slice(1)}` : `${path}\0`).subarray(
    0,
    sunPathBytes,
  );
  return sockaddrOf(name);
}
