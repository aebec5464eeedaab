// Unix sockets that carry descriptors (SCM_RIGHTS), which Bun's own sockets cannot.

import {
  AF_UNIX,
  asPointer,
  EAGAIN,
  EINTR,
  errno,
  libc,
  MSG_CMSG_CLOEXEC,
  MSG_CTRUNC,
  MSG_DONTWAIT,
  MSG_NOSIGNAL,
  SCM_RIGHTS,
  SIOCOUTQ,
  SOCK_CLOEXEC,
  SOCK_SEQPACKET,
  SOCK_STREAM,
  SO_ACCEPTCONN,
  SO_DOMAIN,
  SO_SNDBUF,
  SO_TYPE,
  SOL_SOCKET,
} from "../../ffi/libc.ts";
import { checked, SystemError } from "./errors.ts";
import { NativeMemory } from "./native-memory.ts";

export type SocketKind = "stream" | "seqpacket";

/** Results of {@link receive} that are no byte counts. */
export const WOULD_BLOCK = -1;
export const CLOSED = 0;

/** The most descriptors that one message may bring; the kernel closes none of a longer list silently for us. */
export const fdsPerMessageMax = 32;

const msghdrBytes = 56;
const cmsgHeaderBytes = 16;
const iovecBytes = 16;
const iovecsMax = 1024;

/** The type argument of socket(2). */
export const typeOf = (kind: SocketKind) => (kind === "stream" ? SOCK_STREAM : SOCK_SEQPACKET) | SOCK_CLOEXEC;

/**
 * Makes what was sent on `fd` and not yet received, descriptors included, at most about so many bytes: less where
 * net.core.wmem_max is less.
 */
export function sizeSendBuffer(fd: number, bytes: number): void {
  const value = new Int32Array([bytes]);
  const result = libc.setsockopt(fd, SOL_SOCKET, SO_SNDBUF, value, 4);
  checked(result, "setsockopt", "sizing a socket's send buffer");
}

/**
 * Why a descriptor that came from elsewhere cannot be streamed to as a Unix socket: what it is instead, as a noun for the
 * log, or "" for a connected stream. One whose peer has hung up is connected.
 */
export function notStream(fd: number): string {
  const domain = socketOption(fd, SO_DOMAIN);
  if (domain < 0) return "no socket";
  if (domain !== AF_UNIX) return "a socket of another family than AF_UNIX";
  if (socketOption(fd, SO_TYPE) !== SOCK_STREAM) return "a socket for packets";
  if (socketOption(fd, SO_ACCEPTCONN) !== 0) return "a listening socket";
  const [name, length] = [new Uint8Array(2), new Uint32Array([2])];
  return libc.getpeername(fd, name, length) < 0 ? "a socket that is not connected" : "";
}

/** An option of SOL_SOCKET that is an int; -1 where `fd` has none. */
function socketOption(fd: number, option: number): number {
  const [value, length] = [new Int32Array(1), new Uint32Array([4])];
  return libc.getsockopt(fd, SOL_SOCKET, option, value, length) < 0 ? -1 : value[0]!;
}

const unread = new Int32Array(1);

/** What was sent on a connected stream and not yet received, in bytes of the kernel's memory, some overhead included. */
export function unreadBytes(fd: number): number {
  checked(libc.ioctl(fd, SIOCOUTQ, unread), "ioctl", "asking what a socket holds");
  return unread[0]!;
}

/** A connected pair of sockets. */
export function socketPair(kind: SocketKind): [number, number] {
  const fds = new Int32Array(2);
  checked(libc.socketpair(AF_UNIX, typeOf(kind), 0, fds), "socketpair", "making a socket pair");
  return [fds[0]!, fds[1]!];
}

/**
 * Sends and receives on any number of sockets with one set of scratch structures. One per thread.
 *
 * A native address is taken wherever bytes are named, so that pixels go to the kernel straight from their mapping.
 */
export class SocketIo {
  private readonly memory = NativeMemory.allocate(
    msghdrBytes + 8 + cmsgHeaderBytes + fdsPerMessageMax * 4 + iovecsMax * iovecBytes,
  );
  private readonly data = new DataView(this.memory.view());
  private readonly controlOffset = msghdrBytes + 8;
  private readonly iovecOffset = this.controlOffset + cmsgHeaderBytes + fdsPerMessageMax * 4;
  private iovecs = 0;

  /** Descriptors that the last {@link receive} brought; the caller owns them. */
  readonly receivedFds: number[] = [];
  /** Whether the last {@link receive} lost descriptors for want of room. */
  truncatedFds = false;

  /** How many ranges one send can gather. */
  static readonly rangesMax = iovecsMax;

  /** Starts a new gather list. */
  clear(): void {
    this.iovecs = 0;
  }

  /** Adds `length` bytes at a native `address` to the gather list. */
  gather(address: number, length: number): void {
    const offset = this.iovecOffset + this.iovecs++ * iovecBytes;
    setAddress(this.data, offset, address);
    setAddress(this.data, offset + 8, length);
  }

  /** The gather list, an array of struct iovec. */
  get gathered(): { address: number; count: number } {
    return { address: this.memory.address + this.iovecOffset, count: this.iovecs };
  }

  /** Sends what was gathered, with `fds`. Never blocks: answers the bytes taken, or {@link WOULD_BLOCK}. */
  send(socket: number, fds: readonly number[] = [], flags = MSG_DONTWAIT): number {
    if (fds.length > fdsPerMessageMax) throw new RangeError(`${fds.length} descriptors in one message`);
    this.header(fds.length * 4);
    if (fds.length > 0) {
      setAddress(this.data, this.controlOffset, cmsgHeaderBytes + fds.length * 4);
      this.data.setInt32(this.controlOffset + 8, SOL_SOCKET, true);
      this.data.setInt32(this.controlOffset + 12, SCM_RIGHTS, true);
      fds.forEach((fd, index) => {
        this.data.setInt32(this.controlOffset + cmsgHeaderBytes + index * 4, fd, true);
      });
    }
    for (;;) {
      const sent = libc.sendmsg(socket, asPointer(this.memory.address), MSG_NOSIGNAL | flags);
      if (sent >= 0) return sent;
      const code = errno();
      if (code === EAGAIN) return WOULD_BLOCK;
      if (code !== EINTR) throw new SystemError("sendmsg", code, "sending on a socket");
    }
  }

  /**
   * Receives at most `length` bytes into native memory, and descriptors into {@link receivedFds}.
   * Returns the byte count, {@link CLOSED} or {@link WOULD_BLOCK}.
   */
  receive(socket: number, address: number, length: number, flags = MSG_DONTWAIT): number {
    this.clear();
    this.gather(address, length);
    this.header(fdsPerMessageMax * 4);
    this.receivedFds.length = 0;
    this.truncatedFds = false;
    for (;;) {
      const received = libc.recvmsg(socket, asPointer(this.memory.address), MSG_CMSG_CLOEXEC | flags);
      if (received >= 0) {
        this.takeFds();
        return received;
      }
      const code = errno();
      if (code === EAGAIN) return WOULD_BLOCK;
      if (code !== EINTR) throw new SystemError("recvmsg", code, "receiving from a socket");
    }
  }

  close(): void {
    this.memory.unmap();
  }

  /** struct msghdr: name, namelen, iov, iovlen, control, controllen, flags. */
  private header(controlBytes: number): void {
    const { data, memory } = this;
    setAddress(data, 0, 0);
    setAddress(data, 8, 0);
    setAddress(data, 16, memory.address + this.iovecOffset);
    setAddress(data, 24, this.iovecs);
    setAddress(data, 32, controlBytes > 0 ? memory.address + this.controlOffset : 0);
    setAddress(data, 40, controlBytes > 0 ? cmsgHeaderBytes + ((controlBytes + 7) & ~7) : 0);
    data.setInt32(48, 0, true);
  }

  private takeFds(): void {
    const { data, controlOffset } = this;
    this.truncatedFds = (data.getInt32(48, true) & MSG_CTRUNC) !== 0;
    const controlBytes = data.getUint32(40, true);
    if (controlBytes < cmsgHeaderBytes) return;
    if (data.getInt32(controlOffset + 8, true) !== SOL_SOCKET) return;
    if (data.getInt32(controlOffset + 12, true) !== SCM_RIGHTS) return;
    const count = (data.getUint32(controlOffset, true) - cmsgHeaderBytes) / 4;
    for (let index = 0; index < count; index++) {
      this.receivedFds.push(data.getInt32(controlOffset + cmsgHeaderBytes + index * 4, true));
    }
  }
}

function setAddress(data: DataView, offset: number, value: number): void {
  data.setUint32(offset, value >>> 0, true);
  data.setUint32(offset + 4, Math.floor(value / 2 ** 32), true);
}
