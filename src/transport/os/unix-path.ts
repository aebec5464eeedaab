// Unix sockets that have a path: listening at one, and connecting to one.

import { existsSync, lstatSync } from "node:fs";
import {
  AF_UNIX,
  cString,
  EAGAIN,
  ECONNREFUSED,
  EINTR,
  errno,
  libc,
  SOCK_CLOEXEC,
  SOCK_NONBLOCK,
} from "../../ffi/libc.ts";
import { checked, Refusal, SystemError } from "./errors.ts";
import { type SocketKind, typeOf } from "./unix-socket.ts";

const sunPathBytes = 108;

/** Binds and listens at `path`, replacing a socket left behind by a process that no longer answers there. */
export function listenUnix(path: string, kind: SocketKind, backlog = 4): number {
  const address = socketAddress(path);
  const taken = freeSocketPath(path);
  if (taken === "not a socket") throw new Refusal(`${path} exists and is not a socket: choose another path`);
  if (taken === "live") throw new Refusal(`another process is listening on ${path}`);
  const fd = checked(libc.socket(AF_UNIX, typeOf(kind) | SOCK_NONBLOCK, 0), "socket", `listening on ${path}`);
  try {
    checked(libc.bind(fd, address, address.length), "bind", `listening on ${path}`);
    checked(libc.listen(fd, backlog), "listen", `listening on ${path}`);
  } catch (error) {
    libc.close(fd);
    throw error;
  }
  return fd;
}

/** Makes `path` free to bind by removing a socket that nobody answers at; anything else stays, and is named. */
export function freeSocketPath(path: string): "free" | "live" | "not a socket" {
  if (!existsSync(path)) return "free";
  if (!lstatSync(path).isSocket()) return "not a socket";
  if (answersAt(socketAddress(path))) return "live";
  libc.unlink(cString(path));
  return "free";
}

/** Connects to the socket at `path`; the descriptor is blocking, unless it is asked not to wait for a listener either. */
export function connectUnix(path: string, kind: SocketKind, isBlocking = true): number {
  const address = socketAddress(path);
  const type = typeOf(kind) | (isBlocking ? 0 : SOCK_NONBLOCK);
  const fd = checked(libc.socket(AF_UNIX, type, 0), "socket", `connecting to ${path}`);
  if (libc.connect(fd, address, address.length) < 0) {
    const error = new SystemError("connect", errno(), `connecting to ${path}`);
    libc.close(fd);
    throw error;
  }
  return fd;
}

/** Takes one waiting connection (blocking mode), or -1 when there is none. */
export function acceptUnix(listener: number): number {
  const fd = libc.accept4(listener, null, null, SOCK_CLOEXEC);
  if (fd >= 0) return fd;
  if (errno() === EAGAIN || errno() === EINTR) return -1;
  throw new SystemError("accept4", errno(), "accepting a connection");
}

function socketAddress(path: string): Uint8Array {
  const bytes = cString(path);
  if (bytes.length > sunPathBytes)
    throw new Refusal(`socket path is longer than ${sunPathBytes - 1} bytes: ${path}`);
  const address = new Uint8Array(2 + bytes.length);
  new DataView(address.buffer).setUint16(0, AF_UNIX, true);
  address.set(bytes, 2);
  return address;
}

/** Whether somebody listens there: be it with a full backlog, or with a socket of the other kind. */
function answersAt(address: Uint8Array): boolean {
  const fd = checked(
    libc.socket(AF_UNIX, typeOf("stream") | SOCK_NONBLOCK, 0),
    "socket",
    "looking for a server",
  );
  const refused = libc.connect(fd, address, address.length) < 0 && errno() === ECONNREFUSED;
  libc.close(fd);
  return !refused;
}
