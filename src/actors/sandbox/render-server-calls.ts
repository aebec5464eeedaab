// The system calls of virglrenderer's render server, and of the processes that run guests' Vulkan.

import { AF_UNIX, PR_SET_PDEATHSIG } from "../../ffi/libc.ts";
import type { Policy } from "../../transport/os/sandbox/filter.ts";
import { allow, deviceRequests, missing, nameRequests, noNamespace, notWritableCode } from "./call-rules.ts";

/**
 * Taken on before the server's program runs, so that it has what programs and shells need at their start: which of them may be run, Landlock
 * says. Each context is a process, which the server starts, waits for and ends. It makes no socket but pairs.
 */
export const renderServerCalls = (): Policy => ({
  rules: {
    ...allow("read", "write", "writev", "pread64", "pwrite64", "close", "lseek", "fcntl", "poll", "ppoll"),
    ...allow("openat", "access", "faccessat", "fstat", "newfstatat", "statx", "readlink", "readlinkat"),
    ...allow("getdents64", "getcwd", "fallocate", "flock", "mkdir", "rename", "unlink"),
    ...allow("sendmsg", "recvmsg", "getsockopt", "eventfd2", "signalfd4", "pipe2", "dup", "dup2", "dup3"),
    ...allow("munmap", "mremap", "madvise", "brk", "memfd_create", "ftruncate"),
    ...allow("futex", "set_robust_list", "rseq", "membarrier", "sched_yield", "clock_nanosleep"),
    ...allow("sched_getaffinity", "sched_setaffinity"),
    ...allow("rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "sigaltstack", "restart_syscall"),
    ...allow("execve", "vfork", "wait4", "waitid", "kill", "tgkill", "exit", "exit_group"),
    ...allow("arch_prctl", "set_tid_address", "prlimit64", "getrandom", "uname", "sysinfo"),
    ...allow("getpid", "gettid", "getppid", "getuid", "geteuid", "getgid", "getegid"),
    clone: noNamespace,
    mmap: notWritableCode,
    mprotect: notWritableCode,
    prctl: [[{ argument: 0, is: [PR_SET_PDEATHSIG, ...nameRequests] }]],
    socketpair: [[{ argument: 0, is: [AF_UNIX] }]],
    ioctl: deviceRequests,
  },
  missing,
});
