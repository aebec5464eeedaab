// The C library's calls that Fencepost makes, as one symbol table. Linux, x86-64 and arm64.
//
// Sizes are declared u32 where they are always small, so that no BigInt is made; `fcntl` and `ioctl` are
// variadic in C and are declared with the three arguments that every caller passes.

import { dlopen, FFIType, toArrayBuffer, type Pointer } from "bun:ffi";

const library = dlopen("libc.so.6", {
  abs: { args: ["i32"], returns: "i32" },
  accept4: { args: ["i32", "ptr", "ptr", "i32"], returns: "i32" },
  bind: { args: ["i32", "ptr", "u32"], returns: "i32" },
  clock_gettime: { args: ["i32", "ptr"], returns: "i32" },
  close: { args: ["i32"], returns: "i32" },
  connect: { args: ["i32", "ptr", "u32"], returns: "i32" },
  dlopen: { args: ["ptr", "i32"], returns: "ptr" },
  dlsym: { args: ["ptr", "ptr"], returns: "ptr" },
  dup3: { args: ["i32", "i32", "i32"], returns: "i32" },
  epoll_create1: { args: ["i32"], returns: "i32" },
  epoll_ctl: { args: ["i32", "i32", "i32", "ptr"], returns: "i32" },
  epoll_wait: { args: ["i32", "ptr", "i32", "i32"], returns: "i32" },
  eventfd: { args: ["u32", "i32"], returns: "i32" },
  fchmod: { args: ["i32", "u32"], returns: "i32" },
  fcntl: { args: ["i32", "i32", "i32"], returns: "i32" },
  fdopen: { args: ["i32", "ptr"], returns: "ptr" },
  free: { args: ["ptr"], returns: "void" },
  fallocate: { args: ["i32", "i32", FFIType.i64_fast, FFIType.i64_fast], returns: "i32" },
  ftruncate: { args: ["i32", FFIType.i64_fast], returns: "i32" },
  getpeername: { args: ["i32", "ptr", "ptr"], returns: "i32" },
  getppid: { args: [], returns: "i32" },
  getsockopt: { args: ["i32", "i32", "i32", "ptr", "ptr"], returns: "i32" },
  gettid: { args: [], returns: "i32" },
  ioctl: { args: ["i32", "u32", "ptr"], returns: "i32" },
  kill: { args: ["i32", "i32"], returns: "i32" },
  listen: { args: ["i32", "i32"], returns: "i32" },
  lseek: { args: ["i32", FFIType.i64_fast, "i32"], returns: FFIType.i64_fast },
  madvise: { args: ["ptr", FFIType.i64_fast, "i32"], returns: "i32" },
  malloc: { args: ["u32"], returns: "ptr" },
  memcmp: { args: ["ptr", "ptr", "u32"], returns: "i32" },
  memcpy: { args: ["ptr", "ptr", "u32"], returns: "void" },
  memset: { args: ["ptr", "i32", "u32"], returns: "void" },
  memfd_create: { args: ["ptr", "u32"], returns: "i32" },
  mmap: { args: ["ptr", FFIType.i64_fast, "i32", "i32", "i32", FFIType.i64_fast], returns: "ptr" },
  munmap: { args: ["ptr", FFIType.i64_fast], returns: "i32" },
  nice: { args: ["i32"], returns: "i32" },
  poll: { args: ["ptr", "u32", "i32"], returns: "i32" },
  pipe2: { args: ["ptr", "i32"], returns: "i32" },
  prctl: { args: ["i32", FFIType.u64_fast], returns: "i32" },
  pread: { args: ["i32", "ptr", "u32", FFIType.i64_fast], returns: "i32" },
  prlimit: { args: ["i32", "i32", "ptr", "ptr"], returns: "i32" },
  pthread_sigmask: { args: ["i32", "ptr", "ptr"], returns: "i32" },
  read: { args: ["i32", "ptr", "u32"], returns: "i32" },
  readlink: { args: ["ptr", "ptr", "u32"], returns: "i32" },
  recv: { args: ["i32", "ptr", FFIType.u64_fast, "i32"], returns: "i32" },
  recvmsg: { args: ["i32", "ptr", "i32"], returns: "i32" },
  sched_yield: { args: [], returns: "i32" },
  send: { args: ["i32", "ptr", FFIType.u64_fast, "i32"], returns: "i32" },
  sendmsg: { args: ["i32", "ptr", "i32"], returns: "i32" },
  setsockopt: { args: ["i32", "i32", "i32", "ptr", "u32"], returns: "i32" },
  setvbuf: { args: ["ptr", "ptr", "i32", "u32"], returns: "i32" },
  signal: { args: ["i32", "ptr"], returns: "ptr" },
  socket: { args: ["i32", "i32", "i32"], returns: "i32" },
  socketpair: { args: ["i32", "i32", "i32", "ptr"], returns: "i32" },
  splice: { args: ["i32", "ptr", "i32", "ptr", "u32", "u32"], returns: "i32" },
  syscall: { args: [FFIType.i64_fast, FFIType.i64_fast, FFIType.i64_fast], returns: "i32" },
  tgkill: { args: ["i32", "i32", "i32"], returns: "i32" },
  unlink: { args: ["ptr"], returns: "i32" },
  vmsplice: { args: ["i32", "ptr", "u32", "u32"], returns: "i32" },
  waitpid: { args: ["i32", "ptr", "i32"], returns: "i32" },
  write: { args: ["i32", "ptr", "u32"], returns: "i32" },
  __errno_location: { args: [], returns: "ptr" },
});

export const libc = library.symbols;

/**
 * Gives the table back, of a thread that ends while its process goes on: the engine itself keeps it, some 12 KiB a thread. Whoever
 * calls something of it afterwards gets an exception.
 */
export function closeLibc(): void {
  const gone = (): never => {
    throw new Error("a thread that has ended calls the C library");
  };
  for (const name of Object.keys(libc)) Object.defineProperty(libc, name, { value: gone });
  library.close();
}

const errnoView = new Int32Array(toArrayBuffer(libc.__errno_location()!, 0, 4));

/** This thread's `errno`. Read it directly after the call that failed. */
export function errno(): number {
  return errnoView[0]!;
}

/** A native address held as a Number (x86-64 and arm64 user addresses are below 2^48). */
export function asPointer(address: number): Pointer {
  return address as Pointer;
}

/** A NUL-terminated copy of `text` for a `char *` argument. */
export function cString(text: string): Uint8Array {
  return new TextEncoder().encode(`${text}\0`);
}

// asm-generic values, shared by x86-64 and arm64.
export const EPERM = 1;
export const EINTR = 4;
export const EIO = 5;
export const EAGAIN = 11;
export const ENOMEM = 12;
export const EACCES = 13;
export const EFAULT = 14;
export const EINVAL = 22;
export const ENFILE = 23;
export const EMFILE = 24;
export const EFBIG = 27;
export const ENOSPC = 28;
export const ENOSYS = 38;
export const EPIPE = 32;
export const ECONNABORTED = 103;
export const ECONNRESET = 104;
export const ENOBUFS = 105;
export const ECONNREFUSED = 111;
export const EDQUOT = 122;

/** Resources of `prlimit`. */
export const RLIMIT_CORE = 4;
export const RLIMIT_NOFILE = 7;
export const RLIMIT_AS = 9;
export const RLIMIT_MSGQUEUE = 12;
export const RLIMIT_NICE = 13;
export const RLIMIT_RTPRIO = 14;

export const CLOCK_MONOTONIC = 1;

export const PR_SET_PDEATHSIG = 1;
export const PR_SET_CHILD_SUBREAPER = 36;
/** Addresses that stand for what becomes of a signal. */
export const SIG_DFL = 0;
export const SIG_IGN = 1;

export const PROT_NONE = 0;
export const PROT_READ = 1;
export const PROT_WRITE = 2;
export const MAP_SHARED = 1;
export const MAP_PRIVATE = 2;
export const MAP_FIXED = 0x10;
export const MAP_ANONYMOUS = 0x20;
export const MAP_NORESERVE = 0x4000;
export const MADV_REMOVE = 9;
/** Since Linux 6.1. */
export const MADV_COLLAPSE = 25;

export const MFD_CLOEXEC = 1;
export const MFD_ALLOW_SEALING = 2;
export const F_SETFD = 2;
export const FD_CLOEXEC = 1;
export const F_SETFL = 4;
export const F_GETFL = 3;
export const F_DUPFD_CLOEXEC = 1030;
export const F_ADD_SEALS = 1033;
export const F_GET_SEALS = 1034;
export const F_SEAL_SEAL = 1;
export const F_SEAL_SHRINK = 2;
export const F_SEAL_GROW = 4;
export const F_SETPIPE_SZ = 1031;
export const O_NONBLOCK = 0o4000;
export const O_CLOEXEC = 0o2000000;
export const SPLICE_F_NONBLOCK = 2;

/** _IOW('b', 0, struct dma_buf_sync). */
export const DMA_BUF_IOCTL_SYNC = 0x4008_6200;

export const EFD_CLOEXEC = 0o2000000;
export const EFD_NONBLOCK = 0o4000;

export const POLLOUT = 4;

export const EPOLL_CLOEXEC = 0o2000000;
export const EPOLL_CTL_ADD = 1;
export const EPOLL_CTL_DEL = 2;
export const EPOLL_CTL_MOD = 3;
export const EPOLLIN = 1;
export const EPOLLOUT = 4;
export const EPOLLERR = 8;
export const EPOLLHUP = 0x10;
export const EPOLLRDHUP = 0x2000;
export const EPOLLET = 0x80000000;

export const AF_UNIX = 1;
export const SIOCOUTQ = 0x5411;
export const SOCK_STREAM = 1;
export const SOCK_DGRAM = 2;
export const SOCK_SEQPACKET = 5;
export const SOCK_CLOEXEC = 0o2000000;
export const SOCK_NONBLOCK = 0o4000;
export const SOL_SOCKET = 1;
export const SO_TYPE = 3;
export const SO_SNDBUF = 7;
export const SO_ACCEPTCONN = 30;
export const SO_DOMAIN = 39;
export const SCM_RIGHTS = 1;
export const MSG_DONTWAIT = 0x40;
export const MSG_NOSIGNAL = 0x4000;
export const MSG_CTRUNC = 8;
export const MSG_CMSG_CLOEXEC = 0x40000000;
export const RTLD_LAZY = 1;
export const SEEK_END = 2;
/** The same number on all that Linux runs on, unlike those of older calls. */
export const SYS_pidfd_open = 434;
export const SIGKILL = 9;
export const WNOHANG = 1;
