// What the C library has for a process that gives up rights: loaded once by each process, and by no actor.

import { dlopen, FFIType } from "bun:ffi";

const { i64_fast: long, u64_fast: word } = FFIType;

export const { symbols: confinement } = dlopen("libc.so.6", {
  execve: { args: ["ptr", "ptr", "ptr"], returns: "i32" },
  geteuid: { args: [], returns: "u32" },
  open: { args: ["ptr", "i32", "i32"], returns: "i32" },
  prctl: { args: ["i32", word, word, word, word], returns: "i32" },
  setrlimit: { args: ["i32", "ptr"], returns: "i32" },
  /** Variadic in C: on x86-64 and arm64 whole numbers are passed alike. */
  syscall: { args: [long, long, long, long, long, long, long], returns: "i32" },
});

export const PR_CAPBSET_READ = 23;
export const PR_CAPBSET_DROP = 24;
export const PR_SET_NO_NEW_PRIVS = 38;
export const PR_CAP_AMBIENT = 47;
export const PR_CAP_AMBIENT_CLEAR_ALL = 4;

export const SECCOMP_SET_MODE_FILTER = 1;
export const SECCOMP_GET_ACTION_AVAIL = 2;
export const SECCOMP_FILTER_FLAG_TSYNC = 1;
export const SECCOMP_RET_ERRNO = 0x0005_0000;
export const SECCOMP_RET_ALLOW = 0x7fff_0000;

export const LANDLOCK_CREATE_RULESET_VERSION = 1;
export const LANDLOCK_RULE_PATH_BENEATH = 1;

export const LINUX_CAPABILITY_VERSION_3 = 0x2008_0522;

export const O_PATH = 0o10000000;
