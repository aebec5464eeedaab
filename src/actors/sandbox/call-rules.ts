// Rules for system calls that are part of what several kinds of process may call.

import {
  DMA_BUF_IOCTL_SYNC,
  F_ADD_SEALS,
  F_SEAL_GROW,
  F_SEAL_SEAL,
  F_SEAL_SHRINK,
  F_SETFL,
  O_NONBLOCK,
  PROT_WRITE,
  SIOCOUTQ,
} from "../../ffi/libc.ts";
import type { CallName } from "../../transport/os/sandbox/calls.ts";
import { always, type Policy, type Rule } from "../../transport/os/sandbox/filter.ts";

export type Rules = Policy["rules"];

const PROT_EXEC = 4;
const CLONE_THREAD = 0x1_0000;
const TCGETS = 0x5401;
const TIOCGWINSZ = 0x5413;
const FIONREAD = 0x541b;
const FIONBIO = 0x5421;
const FIONCLEX = 0x5450;
const FIOCLEX = 0x5451;
/** Letter "d" of _IOC_TYPE: all of DRM. */
const ioctlType = 0xff00;
const drmType = 0x6400;
/** UDMABUF_CREATE and UDMABUF_CREATE_LIST. */
const udmabufRequests = [0x4018_7542, 0x4008_7543];
const dmabufRequests = [DMA_BUF_IOCTL_SYNC, 0xc008_6202, 0x4008_6203];
const PR_SET_VMA = 0x5356_4d41;

export const allow = (...calls: readonly CallName[]): Rules =>
  Object.fromEntries(calls.map((name) => [name, always])) as Rules;

/** Duplicates, flags but those that a file's other descriptors have, the size of pipes, and which seals there are. */
const descriptorRequests = [0, 1, 2, 3, 1030, 1031, 1032, 1034];

const one = (argument: 0 | 1 | 2 | 3, ...is: number[]): Rule => [[{ argument, is }]];

/** PR_SET_NAME, PR_GET_NAME, and names of mappings. */
export const nameRequests = [15, 16, PR_SET_VMA];
/** `prctl` for whoever is looked at by people. */
export const names: Rule = one(0, ...nameRequests);

/** Waiting, memory, threads and messages: what any of our processes does that has begun, and the engine's collector. */
export const engine = (pid: number): Rules => ({
  ...allow("read", "write", "writev", "pread64", "close", "lseek", "fstat", "poll"),
  ...allow("epoll_create1", "epoll_ctl", "epoll_wait", "epoll_pwait2", "eventfd2", "sendmsg", "recvmsg"),
  ...allow("munmap", "mremap", "madvise", "brk", "futex", "sched_yield", "memfd_create", "ftruncate"),
  ...allow(
    "rt_sigprocmask",
    "rt_sigreturn",
    "rt_sigsuspend",
    "getpid",
    "gettid",
    "getrandom",
    "sched_getaffinity",
  ),
  ...allow("set_robust_list", "rseq", "exit", "exit_group"),
  // By which the kernel goes on with a wait that a suspension has cut short.
  ...allow("restart_syscall"),
  mmap: notWritableCode,
  mprotect: notWritableCode,
  // Threads, and no process. What clone3 is to do lies in memory, which no filter sees: without it libc uses clone.
  clone: [[{ argument: 0, mask: CLONE_THREAD, is: [CLONE_THREAD] }]],
  // Within this process, as the collector stops its threads.
  tgkill: one(0, pid),
  fcntl: one(1, ...descriptorRequests, F_SETFL, F_ADD_SEALS),
});

/**
 * What is shared with others is as good to them as before: none of them waits for it, as who rings a bell would whose flag is another; and
 * those who come later map it to write, too.
 */
export const sharesFairly: Rules = {
  fcntl: [
    ...one(1, ...descriptorRequests),
    [
      { argument: 1, is: [F_SETFL] },
      { argument: 2, mask: O_NONBLOCK, is: [O_NONBLOCK] },
    ],
    [
      { argument: 1, is: [F_ADD_SEALS] },
      // virglrenderer has its own memory sealed for good; ours has its seals by then.
      { argument: 2, mask: ~(F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) >>> 0, is: [0] },
    ],
  ],
  ioctl: requests(),
};

/** What is written is not run. The engine has its own memory for both from its start. */
export const notWritableCode: Rule = [
  [{ argument: 2, mask: PROT_WRITE | PROT_EXEC, isNot: PROT_WRITE | PROT_EXEC }],
];

/** CLONE_NEW*: a process gets no namespace of its own. */
export const noNamespace: Rule = [[{ argument: 0, mask: 0x7e02_0000, is: [0] }]];

/**
 * Starting programs, and what those do that were started: they are inside of the same filter. They may give up more.
 */
export const programs: Rules = {
  ...allow(
    "execve",
    "chdir",
    "vfork",
    "wait4",
    "waitid",
    "kill",
    "tgkill",
    "setpgid",
    "setsid",
    "pidfd_open",
    "close_range",
  ),
  ...allow(
    "arch_prctl",
    "set_tid_address",
    "prlimit64",
    "dup",
    "dup2",
    "dup3",
    "pipe2",
    "signalfd4",
    "socketpair",
  ),
  ...allow("rt_sigaction", "rt_sigpending", "sigaltstack", "prctl", "capget", "capset"),
  ...allow("landlock_create_ruleset", "landlock_add_rule", "landlock_restrict_self", "seccomp"),
  clone: noNamespace,
};

/** Besides, where it is this program that is started once more: its engine has its memory for code from its start. What it becomes has a narrower filter. */
export const ownPrograms: Rules = allow("mmap", "mprotect");

/** Files: what of them can be reached, Landlock says. */
export const files: Rules = allow(
  ...([
    "open",
    "openat",
    "stat",
    "lstat",
    "newfstatat",
    "statx",
    "access",
    "faccessat",
    "faccessat2",
  ] as const),
  ...([
    "readlink",
    "readlinkat",
    "getdents64",
    "getcwd",
    "statfs",
    "fstatfs",
    "fadvise64",
    "pwrite64",
  ] as const),
  ...(["preadv", "pwritev", "fallocate", "fsync", "fdatasync", "flock", "sendfile"] as const),
  ...(["mkdir", "mkdirat", "rename", "renameat", "renameat2", "unlink", "unlinkat", "rmdir"] as const),
  ...(["chmod", "fchmod", "fchmodat", "umask", "utimensat", "copy_file_range"] as const),
);

/** What many a library asks of the system that it runs on. */
export const surroundings: Rules = allow(
  ...([
    "getuid",
    "geteuid",
    "getgid",
    "getegid",
    "getppid",
    "uname",
    "getrusage",
    "times",
    "gettimeofday",
  ] as const),
  ...([
    "sched_getparam",
    "sched_getscheduler",
    "sched_setaffinity",
    "mincore",
    "select",
    "kcmp",
    "sysinfo",
  ] as const),
  ...([
    "clock_gettime",
    "clock_nanosleep",
    "nanosleep",
    "readv",
    "ppoll",
    "epoll_pwait",
    "membarrier",
  ] as const),
  ...(["getsockopt", "setsockopt", "getsockname", "getpeername", "shutdown", "sendto", "recvfrom"] as const),
);

function requests(...more: number[]): Rule {
  return [
    [{ argument: 1, mask: ioctlType, is: [drmType] }],
    [{ argument: 1, is: [...dmabufRequests, ...udmabufRequests, SIOCOUTQ, FIONREAD, ...more] }],
    [{ argument: 1, is: [FIOCLEX, FIONCLEX, TCGETS, TIOCGWINSZ] }],
  ];
}

/** The calls that a GL driver makes on its devices, and we on dma-bufs, sockets and terminals. */
export const deviceRequests = requests(FIONBIO);

/** For these libraries have something else to do where there are none. */
export const missing = ["clone3", "io_uring_setup", "io_uring_enter", "io_uring_register"] as const;
