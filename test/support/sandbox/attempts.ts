// What somebody would try who runs code of their own in one of our processes: each returns what the kernel says of it.

import { dlopen, FFIType, ptr, toArrayBuffer } from "bun:ffi";
import { constants } from "node:os";
import { type CallName, numberOf, ownArchitecture } from "../../../src/transport/os/sandbox/calls.ts";

const { i64_fast: long } = FFIType;
const { symbols: libc } = dlopen("libc.so.6", {
  syscall: { args: [long, long, long, long, long, long, long], returns: long },
  __errno_location: { args: [], returns: "ptr" },
});
const errno = new Int32Array(toArrayBuffer(libc.__errno_location()!, 0, 4));
const names = Object.fromEntries(Object.entries(constants.errno).map(([name, number]) => [number, name]));

type Argument = number | string | Uint8Array;
/** A system call with its arguments. */
type Attempt = readonly [name: CallName, ...args: readonly Argument[]];

export interface Surroundings {
  /** A folder that the process has no business in, with a file `secret`. */
  readonly outside: string;
  /** The process that has started it. */
  readonly parent: number;
}

/** "done", or the error's name. */
function call([name, ...args]: Attempt): string {
  const kept = args.map((one) => (typeof one === "string" ? new TextEncoder().encode(`${one}\0`) : one));
  const [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0] = kept.map((one) =>
    typeof one === "number" ? one : ptr(one),
  );
  const result = Number(libc.syscall(numberOf(ownArchitecture!, name)!, a, b, c, d, e, f));
  // A child that should not be there ends at once, and says nothing.
  if (name === "clone" && result === 0)
    libc.syscall(numberOf(ownArchitecture!, "exit_group")!, 0, 0, 0, 0, 0, 0);
  return result >= 0 ? "done" : (names[errno[0]!] ?? String(errno[0]));
}

const AT_FDCWD = -100;
const O_WRONLY_CREAT = 0o101;
const SIGCHLD = 17;
const nulls = new Uint8Array(256);

export const attempts: Readonly<Record<string, (around: Surroundings) => Attempt>> = {
  "run a program": () => ["execve", "/bin/true", nulls, 0],
  "run a program by a descriptor": () => ["execveat", AT_FDCWD, "/bin/true", 0, 0, 0],
  "start a process": () => ["clone", SIGCHLD, 0, 0, 0, 0],
  "start one by clone3": () => ["clone3", nulls, 64],
  "reach the network": () => ["socket", 2, 1, 0],
  "reach the network by IPv6": () => ["socket", 10, 2, 0],
  "read packets": () => ["socket", 17, 3, 0],
  "speak to the kernel by netlink": () => ["socket", 16, 3, 0],
  "read passwords": () => ["openat", AT_FDCWD, "/etc/shadow", 0, 0],
  "read a file elsewhere": ({ outside }) => ["openat", AT_FDCWD, `${outside}/secret`, 0, 0],
  "write a file elsewhere": ({ outside }) => ["openat", AT_FDCWD, `${outside}/mine`, O_WRONLY_CREAT, 0o600],
  "remove a file elsewhere": ({ outside }) => ["unlink", `${outside}/secret`],
  "list a folder elsewhere": ({ outside }) => ["openat", AT_FDCWD, outside, 0o200000, 0],
  "add a program to the system": () => [
    "openat",
    AT_FDCWD,
    "/usr/bin/fencepost-attempt",
    O_WRONLY_CREAT,
    0o700,
  ],
  "make a device": ({ outside }) => ["mknodat", AT_FDCWD, `${outside}/device`, 0o60600, 0x0801, 0],
  "trace itself": () => ["ptrace", 0, 0, 0, 0],
  "read its parent's memory": ({ parent }) => ["process_vm_readv", parent, 0, 0, 0, 0, 0],
  "write its parent's memory": ({ parent }) => ["process_vm_writev", parent, 0, 0, 0, 0, 0],
  "take a descriptor of its parent": () => ["pidfd_getfd", 0, 0, 0],
  "look at its parent's memory": ({ parent }) => ["openat", AT_FDCWD, `/proc/${parent}/mem`, 0, 0],
  "signal its parent": ({ parent }) => ["kill", parent, 0],
  "signal a thread of its parent": ({ parent }) => ["tgkill", parent, parent, 0],
  "use io_uring": () => ["io_uring_setup", 1, nulls],
  "load a program into the kernel": () => ["bpf", 0, nulls, 128],
  "mount a file system": () => ["mount", "none", "/mnt", "tmpfs", 0, 0],
  "unmount one": () => ["umount2", "/mnt", 0],
  "leave its namespaces": () => ["unshare", 0x1000_0000],
  "join another namespace": () => ["setns", 0, 0],
  "change its root": () => ["chroot", "/"],
  "change the root of all": () => ["pivot_root", "/", "/"],
  "load a kernel": () => ["kexec_load", 0, 0, 0, 0],
  "load a module": () => ["init_module", nulls, 0, ""],
  "load a module from a file": () => ["finit_module", 0, "", 0],
  "restart the host": () => ["reboot", 0, 0, 0, 0],
  "swap to a file": () => ["swapon", "/tmp/none", 0],
  "become another user": () => ["setuid", 0],
  "become another user for good": () => ["setresuid", 0, 0, 0],
  "take capabilities": () => ["capset", nulls, nulls],
  "open a file by its handle": () => ["open_by_handle_at", AT_FDCWD, nulls, 0],
  "watch the host's processors": () => ["perf_event_open", nulls, 0, -1, -1, 0],
  "hold up the kernel's page faults": () => ["userfaultfd", 0],
  "read keys of the kernel": () => ["keyctl", 0, 0, 0, 0, 0],
  "watch files of the host": () => ["fanotify_init", 0, 0],
  "be another kind of process": () => ["personality", 0x0004_0000],
  "type into a terminal": () => ["ioctl", 0, 0x5412, nulls],
  "make a virtual machine": () => ["ioctl", 0, 0xae01, 0],
  "map memory to write and run": () => ["mmap", 0, 4096, 7, 0x22, -1, 0],
  "loosen its filter": () => ["seccomp", 1, 0, nulls],
};

/** Those for which a library has another way where there is none. */
const missing = ["start one by clone3", "use io_uring"];

/** What somebody inside hears: EACCES where Landlock says it, ENOSYS where it is as if there were no such call. */
export const isRefused = (name: string, answer: string): boolean =>
  missing.includes(name) ? answer === "ENOSYS" : answer === "EPERM" || answer === "EACCES";

/** Asked for now: in a sandbox nobody may be told. */
const parent = process.ppid;

/** Those that PROBE_ONLY names, or all. */
export function tryAll(outside: string): Record<string, string> {
  const around = { outside, parent };
  const only = process.env["PROBE_ONLY"]?.split(",") ?? Object.keys(attempts);
  return Object.fromEntries(only.map((name) => [name, call(attempts[name]!(around))]));
}
