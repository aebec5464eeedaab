// Descriptors: memfds, eventfds, duplicates, non-blocking mode.

import {
  cString,
  EFD_CLOEXEC,
  EFD_NONBLOCK,
  EMFILE,
  errno,
  F_ADD_SEALS,
  F_DUPFD_CLOEXEC,
  F_GETFL,
  F_GET_SEALS,
  F_SEAL_GROW,
  F_SEAL_SHRINK,
  F_SETFL,
  libc,
  MFD_ALLOW_SEALING,
  F_SETPIPE_SZ,
  MFD_CLOEXEC,
  O_CLOEXEC,
  O_NONBLOCK,
  SEEK_END,
} from "../../ffi/libc.ts";
import { checked } from "./errors.ts";

/** Shareable zero-filled memory whose size is sealed, so that no holder of the fd can truncate it under a mapping. */
export function createMemfd(name: string, bytes: number): number {
  const fd = checked(
    libc.memfd_create(cString(name), MFD_CLOEXEC | MFD_ALLOW_SEALING),
    "memfd_create",
    `creating shared memory "${name}"`,
  );
  try {
    checked(libc.ftruncate(fd, bytes), "ftruncate", `sizing shared memory "${name}" to ${bytes} bytes`);
    sealSize(fd);
  } catch (error) {
    libc.close(fd);
    throw error;
  }
  return fd;
}

/** Forbids shrinking and growing where the fd allows seals; returns whether it did. */
export function sealSize(fd: number): boolean {
  return libc.fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) === 0;
}

/** Whether nobody can shrink the file behind `fd` from now on, where it allows seals. */
export function isSizeSealed(fd: number): boolean {
  if (sealSize(fd)) return true;
  const seals = libc.fcntl(fd, F_GET_SEALS, 0);
  return seals >= 0 && (seals & F_SEAL_SHRINK) !== 0;
}

/** Whether `fd` is a memfd or an anonymous file like it: nothing else can have seals. */
export const isMemfd = (fd: number): boolean => libc.fcntl(fd, F_GET_SEALS, 0) >= 0;

/**
 * Whether what is behind `fd` stays as long as it is: a file that is sealed, or a dma-buf. Reading a mapping of another one is SIGBUS, the
 * end of the process, as soon as somebody has cut it off.
 */
export const isLasting = (fd: number): boolean => isSizeSealed(fd) || linkOf(fd).startsWith("/dmabuf:");

/** A pipe with room for `bytes`, or for less where the system allows no more: where it is read, and where it is written. */
export function createPipe(bytes: number): [reader: number, writer: number] {
  const fds = new Int32Array(2);
  checked(libc.pipe2(fds, O_CLOEXEC), "pipe2", "making a pipe");
  libc.fcntl(fds[1]!, F_SETPIPE_SZ, bytes);
  return [fds[0]!, fds[1]!];
}

export function createEventfd(): number {
  return checked(libc.eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), "eventfd", "creating an eventfd");
}

const eventfdLink = "anon_inode:[eventfd]";

/** Whether `fd` is an eventfd: it can be polled, and a write of eight bytes to it waits at most for a reader. */
export const isEventfd = (fd: number): boolean => linkOf(fd) === eventfdLink;

/** Whether what is behind `fd` is the kernel's own, as an eventfd and a sync file are: no file of a file system, no memory, no socket. */
export const isAnonymous = (fd: number): boolean => linkOf(fd).startsWith("anon_inode:");

/** What the kernel calls the file behind `fd`, as far as it tells files apart that are no file system's. */
function linkOf(fd: number): string {
  // Without node:fs, which takes half a MiB of every actor.
  const link = new Uint8Array(eventfdLink.length + 1);
  const path = cString(`/proc/self/fd/${fd}`);
  const length = checked(libc.readlink(path, link, link.length), "readlink", `looking at fd ${fd}`);
  return new TextDecoder().decode(link.subarray(0, length));
}

/** Whether this process may have so many more descriptors just now. */
export function hasRoomFor(count: number): boolean {
  const fds: number[] = [];
  while (fds.length < count) {
    const fd = libc.eventfd(0, EFD_CLOEXEC);
    if (fd < 0) break;
    fds.push(fd);
  }
  fds.forEach(closeFd);
  return fds.length === count;
}

const one = new BigUint64Array([1n]);

const taken = new BigUint64Array(1);

/** Adds one to the eventfd's count, which wakes whoever waits for it; -1 is the mark of "none". */
export function signalEventfd(fd: number): void {
  if (fd < 0 || libc.write(fd, one, 8) > 0) return;
  // Nobody counts so far: whoever else may write there has filled it, so that nobody is woken any more.
  libc.read(fd, taken, 8);
  libc.write(fd, one, 8);
}

/** Takes the eventfd's count, whatever it is: one that is full wakes nobody. */
export function emptyEventfd(fd: number): void {
  libc.read(fd, new BigUint64Array(1), 8);
}

/** A second descriptor for the same file, closed on exec. */
export function duplicateFd(fd: number): number {
  return checked(libc.fcntl(fd, F_DUPFD_CLOEXEC, 0), "fcntl", `duplicating fd ${fd}`);
}

/** As {@link duplicateFd}; returns -1, the mark of "none", when this process may have no more descriptors. */
export function duplicateFdIfRoom(fd: number): number {
  const copy = libc.fcntl(fd, F_DUPFD_CLOEXEC, 0);
  return copy < 0 && errno() === EMFILE ? -1 : checked(copy, "fcntl", `duplicating fd ${fd}`);
}

/** Closes `fd` unless it is -1, the mark of "none". */
export function closeFd(fd: number): void {
  if (fd >= 0) libc.close(fd);
}

/** The O_* flags that all descriptors of the file share, in other processes too. */
export function statusFlagsOf(fd: number): number {
  return checked(libc.fcntl(fd, F_GETFL, 0), "fcntl", `reading the flags of fd ${fd}`);
}

export function setNonBlocking(fd: number): void {
  const flags = statusFlagsOf(fd);
  checked(libc.fcntl(fd, F_SETFL, flags | O_NONBLOCK), "fcntl", `making fd ${fd} non-blocking`);
}

export function setBlocking(fd: number): void {
  const flags = statusFlagsOf(fd);
  checked(libc.fcntl(fd, F_SETFL, flags & ~O_NONBLOCK), "fcntl", `making fd ${fd} blocking`);
}

/** The size in bytes of the file behind `fd`, by seeking: valid for memfds, files and dma-bufs. */
export function sizeOfFd(fd: number): number {
  return checked(Number(libc.lseek(fd, 0, SEEK_END)), "lseek", `sizing fd ${fd}`);
}
