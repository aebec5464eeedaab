// A socket that whoever started this process opened: what it is, before it is served.

import { errno, libc, SOCK_STREAM, SOL_SOCKET, AF_UNIX } from "../../ffi/libc.ts";
import { SystemError } from "./errors.ts";

const SO_TYPE = 3;
const SO_ACCEPTCONN = 30;
const SO_DOMAIN = 39;

/**
 * Whether the Unix stream socket `fd` is connected, or listens for connections. Throws an Error with a clause for the
 * user about any other descriptor.
 */
export function inheritedSocketState(fd: number): "connected" | "listening" {
  const type = option(fd, SO_TYPE);
  if (type === null) throw new Error(reasonOf(errno()));
  if (option(fd, SO_DOMAIN) !== AF_UNIX || type !== SOCK_STREAM) throw new Error("is no Unix stream socket");
  if (option(fd, SO_ACCEPTCONN) === 1) return "listening";
  const room = new Uint8Array(128);
  if (libc.getpeername(fd, room, new Uint32Array([room.length])) < 0) {
    throw new Error("is a socket that neither is connected nor listens");
  }
  return "connected";
}

function option(fd: number, name: number): number | null {
  const value = new Int32Array(1);
  const length = new Uint32Array([4]);
  return libc.getsockopt(fd, SOL_SOCKET, name, value, length) < 0 ? null : value[0]!;
}

function reasonOf(code: number): string {
  const { code: name } = new SystemError("getsockopt", code, "");
  if (name === "EBADF") return "is not open";
  return name === "ENOTSOCK" ? "is no socket" : `cannot be asked what it is (${name})`;
}
