// Unix sockets that have a path: listening at one, and connecting to one.

import {
  AF_UNIX,
  cString,
  EACCES,
  EAGAIN,
  ECONNABORTED,
  ECONNREFUSED,
  EINTR,
  EMFILE,
  ENFILE,
  ENOBUFS,
  ENOMEM,
  errno,
  libc,
  SOCK_CLOEXEC,
  SOCK_DGRAM,
  SOCK_NONBLOCK,
} from "../../ffi/libc.ts";
import { checked, Refusal, SystemError } from "./errors.ts";
import { type SocketKind, typeOf } from "./unix-socket.ts";

/** No socket can be at this path, whoever runs there: another one has to be chosen, or made possible. */
export class PathRefusal extends Refusal {
  override name = "PathRefusal";
}

/** What a struct sockaddr_un has room for. */
export const sunPathBytes = 108;

/** Loaded when it is needed: it takes half a MiB, and most actors that accept or connect never look at a path. */
const files = () => process.getBuiltinModule("node:fs");

/** Who may connect to a socket at a path: its permissions, and the group that has some of them (-1: this process's). */
export interface SocketAccess {
  mode: number;
  group: number;
}

const ownerOnly: SocketAccess = { mode: 0o600, group: -1 };

/**
 * Binds and listens at `path`, replacing a socket left behind by a process that no longer answers there. At no time may
 * others connect than `access` says. Throws a {@link Refusal} as {@link freeSocketPath} does.
 */
export function listenUnix(path: string, kind: SocketKind, backlog = 4, access = ownerOnly): number {
  freeSocketPath(path);
  const address = socketAddress(path);
  const doing = `listening on ${path}`;
  const fd = checked(libc.socket(AF_UNIX, typeOf(kind) | SOCK_NONBLOCK, 0), "socket", doing);
  try {
    // The file takes its permissions from the socket, less the umask: it is never open to others for a moment.
    checked(libc.fchmod(fd, ownerOnly.mode), "fchmod", doing);
    checked(libc.bind(fd, address, address.length), "bind", doing);
    grant(path, access);
    checked(libc.listen(fd, backlog), "listen", doing);
  } catch (error) {
    libc.close(fd);
    throw error;
  }
  return fd;
}

function grant(path: string, { mode, group }: SocketAccess): void {
  const { chmodSync, chownSync, rmSync } = files();
  try {
    if (group >= 0) chownSync(path, -1, group);
    chmodSync(path, mode);
  } catch (error) {
    rmSync(path);
    throw new Refusal(`cannot give group ${group} the socket ${path}: is this user one of them?`, {
      cause: error,
    });
  }
}

/**
 * Makes `path` free to bind by removing a socket that nobody answers at. Throws a {@link Refusal} that says what is in
 * the way, and what mends it: a {@link PathRefusal} for a path too long, no folder, no permission or a file; another's socket.
 */
export function freeSocketPath(path: string): void {
  socketAddress(path);
  checkFolder(process.getBuiltinModule("node:path").dirname(path), path);
  const found = files().lstatSync(path, { throwIfNoEntry: false });
  if (found === undefined) return;
  if (!found.isSocket()) throw new PathRefusal(`${path} exists and is not a socket: choose another path`);
  const answer = knockAt(path);
  if (answer === EACCES) {
    throw new Refusal(
      `${path} is a socket of user ${found.uid}: choose another path, or let its owner remove it`,
    );
  }
  if (answer !== ECONNREFUSED) {
    throw new Refusal(`another process is listening on ${path}: stop it, or choose another path`);
  }
  if (libc.unlink(cString(path)) < 0) {
    throw new Refusal(
      `${path} is a dead socket of user ${found.uid} that this user may not remove: choose another path`,
    );
  }
}

/** Removes the socket that this process listened on at `path`, and has closed; another's that has taken its place stays. */
export function removeSocket(path: string): void {
  const found = files().lstatSync(path, { throwIfNoEntry: false });
  if (found?.isSocket() && knockAt(path) === ECONNREFUSED) libc.unlink(cString(path));
}

function checkFolder(folder: string, path: string): void {
  const { accessSync, constants, statSync } = files();
  const found = statSync(folder, { throwIfNoEntry: false });
  if (found === undefined) {
    throw new PathRefusal(`there is no folder ${folder} for ${path}: make it, or choose another path`);
  }
  if (!found.isDirectory()) throw new PathRefusal(`${folder} is no folder: choose another path than ${path}`);
  try {
    accessSync(folder, constants.W_OK | constants.X_OK);
  } catch (error) {
    const reason = `this user may not make sockets in ${folder}: choose another path than ${path}`;
    throw new PathRefusal(reason, { cause: error });
  }
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

/** Results of {@link acceptUnix} that are no descriptors. */
export const NOBODY = -1;
export const EXHAUSTED = -2;
/** How long to leave a listener alone that is {@link EXHAUSTED}, since it stays ready. */
export const acceptPauseMs = 1_000;

/**
 * Takes one waiting connection (blocking mode). Returns {@link NOBODY} when there is none, and {@link EXHAUSTED} when one has to
 * wait until the host has descriptors or memory for it.
 */
export function acceptUnix(listener: number): number {
  const fd = libc.accept4(listener, null, null, SOCK_CLOEXEC);
  if (fd >= 0) return fd;
  const code = errno();
  if (code === EAGAIN || code === EINTR || code === ECONNABORTED) return NOBODY;
  if (code === EMFILE || code === ENFILE || code === ENOBUFS || code === ENOMEM) return EXHAUSTED;
  throw new SystemError("accept4", code, "accepting a connection");
}

function socketAddress(path: string): Uint8Array {
  const bytes = cString(path);
  if (bytes.length > sunPathBytes)
    throw new PathRefusal(
      `the path of a socket is no longer than ${sunPathBytes - 1} bytes: ${path} has ${bytes.length - 1}`,
    );
  return sockaddrOf(bytes);
}

/** A struct sockaddr_un of a name of {@link sunPathBytes} at most: a path with its end, or, behind a zero, one without a file (unix(7)). */
export function sockaddrOf(name: Uint8Array): Uint8Array {
  const address = new Uint8Array(2 + name.length);
  new DataView(address.buffer).setUint16(0, AF_UNIX, true);
  address.set(name, 2);
  return address;
}

/**
 * What connecting there fails with, or 0: somebody has it, be it with a full backlog. Of a kind that nobody of ours listens with,
 * so that a live server never hears of it: one that serves a single front-end would take this for that.
 */
function knockAt(path: string): number {
  const address = socketAddress(path);
  const type = SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK;
  const fd = checked(libc.socket(AF_UNIX, type, 0), "socket", "looking for a server");
  const code = libc.connect(fd, address, address.length) < 0 ? errno() : 0;
  libc.close(fd);
  return code;
}
