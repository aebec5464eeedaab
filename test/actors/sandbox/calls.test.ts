// What each kind of process may call.

import { expect, test } from "bun:test";
import { renderServerCalls } from "../../../src/actors/sandbox/render-server-calls.ts";
import { rendererCalls } from "../../../src/actors/sandbox/renderer-calls.ts";
import { serverCalls } from "../../../src/actors/sandbox/server-calls.ts";
import { encode } from "../../../src/transport/os/sandbox/bpf.ts";
import {
  architectures,
  type CallName,
  numberOf,
  numbersOf,
} from "../../../src/transport/os/sandbox/calls.ts";
import { compile, type Policy } from "../../../src/transport/os/sandbox/filter.ts";
import { runFilter } from "../../support/sandbox/bpf-interpreter.ts";
import { serverConfig } from "../../support/fake-context.ts";

const pid = 4242;
const { x64, arm64 } = architectures;

function ask(policy: Policy, name: CallName, ...args: number[]): string {
  const padded = Array.from({ length: 6 }, (_, index) => BigInt(args[index] ?? 0));
  const call = { nr: numberOf(x64, name)!, arch: x64.audit, args: padded };
  const answer = runFilter(encode(compile(policy, x64)), call);
  return answer === 0x7fff_0000 ? "allowed" : answer === 0x0005_0026 ? "missing" : "refused";
}

const server = serverCalls(serverConfig(), false, pid);
const inspected = serverCalls(serverConfig("--inspect"), false, pid);
const renderer = rendererCalls(false, pid);
const all: [string, Policy][] = [
  ["a server", server],
  ["a server with its inspector", inspected],
  ["a renderer", renderer],
];

/** What nobody may, whose calls nobody may make. */
const forbidden: CallName[] = [
  ...([
    "execve",
    "execveat",
    "vfork",
    "ptrace",
    "process_vm_readv",
    "process_vm_writev",
    "pidfd_getfd",
  ] as const),
  ...([
    "bpf",
    "mount",
    "umount2",
    "move_mount",
    "open_tree",
    "unshare",
    "setns",
    "chroot",
    "pivot_root",
  ] as const),
  ...([
    "kexec_load",
    "init_module",
    "finit_module",
    "reboot",
    "swapon",
    "setuid",
    "setresuid",
    "capset",
  ] as const),
  ...([
    "open_by_handle_at",
    "name_to_handle_at",
    "perf_event_open",
    "userfaultfd",
    "keyctl",
    "kill",
    "tkill",
  ] as const),
  ...(["fanotify_init", "personality", "seccomp", "landlock_restrict_self", "mknodat"] as const),
];

test.each(all)("%s may not leave its process, nor change what the host is", (_, policy) => {
  expect(forbidden.filter((name) => ask(policy, name) !== "refused")).toEqual([]);
  for (const name of ["clone3", "io_uring_setup", "io_uring_enter"] as const)
    expect(ask(policy, name)).toBe("missing");
});

test.each(all)("%s starts threads, and no process", (_, policy) => {
  expect(ask(policy, "clone", 0x3d_0f00)).toBe("allowed");
  expect(ask(policy, "clone", 17)).toBe("refused");
  expect(ask(policy, "clone", 0x1000_0000 | 17)).toBe("refused");
});

test.each(all)("%s maps no memory to write and run", (_, policy) => {
  for (const name of ["mmap", "mprotect"] as const) {
    for (const protection of [0, 1, 3, 5]) expect(ask(policy, name, 0, 4096, protection)).toBe("allowed");
    for (const protection of [6, 7]) expect(ask(policy, name, 0, 4096, protection)).toBe("refused");
  }
});

test.each(all)("%s asks of devices what GPUs are asked", (_, policy) => {
  for (const request of [0xc040_64b2, 0x4008_6200, 0x4018_7542, 0x5411])
    expect(ask(policy, "ioctl", 3, request)).toBe("allowed");
  // TIOCSTI, TIOCLINUX, KVM_CREATE_VM, LOOP_SET_FD, FS_IOC_SETFLAGS.
  for (const request of [0x5412, 0x541c, 0xae01, 0x4c00, 0x4008_6602])
    expect(ask(policy, "ioctl", 3, request)).toBe("refused");
});

test("a renderer has nobody wait, or kept from it, who shares a file with it", () => {
  const [F_SETFD, F_SETFL, F_SETOWN] = [2, 4, 8];
  const [O_NONBLOCK, O_ASYNC] = [0o4000, 0o20000];
  for (const flags of [O_NONBLOCK, O_NONBLOCK | 2]) {
    expect(ask(renderer, "fcntl", 3, F_SETFL, flags)).toBe("allowed");
    expect(ask(server, "fcntl", 3, F_SETFL, flags)).toBe("allowed");
  }
  for (const flags of [0, 2, O_ASYNC]) expect(ask(renderer, "fcntl", 3, F_SETFL, flags)).toBe("refused");
  const [F_ADD_SEALS, F_SEAL_WRITE, F_SEAL_FUTURE_WRITE] = [1033, 8, 16];
  for (const seals of [2, 4, 7]) expect(ask(renderer, "fcntl", 3, F_ADD_SEALS, seals)).toBe("allowed");
  for (const seals of [F_SEAL_WRITE, F_SEAL_FUTURE_WRITE, 6 | F_SEAL_FUTURE_WRITE])
    expect(ask(renderer, "fcntl", 3, F_ADD_SEALS, seals)).toBe("refused");
  expect(ask(renderer, "fcntl", 3, F_SETFD, 0)).toBe("allowed");
  expect(ask(renderer, "fcntl", 3, F_SETOWN, 1)).toBe("refused");
  // FIONBIO.
  expect(ask(renderer, "ioctl", 3, 0x5421)).toBe("refused");
});

test.each(all)("%s signals its own threads alone", (_, policy) => {
  expect(ask(policy, "tgkill", pid, pid, 10)).toBe("allowed");
  expect(ask(policy, "tgkill", 1, 1, 9)).toBe("refused");
});

test("a server has Unix sockets, and those of the network only with its inspector", () => {
  expect([ask(server, "socket", 1), ask(server, "socket", 2), ask(server, "socket", 10)]).toEqual([
    "allowed",
    "refused",
    "refused",
  ]);
  expect([ask(inspected, "socket", 2), ask(inspected, "socket", 10)]).toEqual(["allowed", "allowed"]);
  // AF_NETLINK, AF_PACKET, AF_VSOCK, AF_ALG.
  for (const family of [16, 17, 40, 38]) expect(ask(inspected, "socket", family)).toBe("refused");
});

test("a server gives files away only where its sockets have a group", () => {
  expect(ask(server, "chown")).toBe("refused");
  expect(ask(serverCalls(serverConfig("--socket-group", "0"), false, pid), "chown")).toBe("allowed");
});

test("a server looks at and lowers its own limits alone", () => {
  expect([ask(server, "prlimit64", 0), ask(server, "prlimit64", pid), ask(server, "prlimit64", 1)]).toEqual([
    "allowed",
    "allowed",
    "refused",
  ]);
});

test("a renderer makes no socket, and has fifty calls at most", () => {
  const names = ["socket", "socketpair", "connect", "bind", "listen", "accept4", "sendto"] as const;
  for (const name of names) expect(ask(renderer, name, 1)).toBe("refused");
  expect(Object.keys(renderer.rules).length).toBeLessThanOrEqual(50);
});

test.each([
  ["a server with Vulkan", serverCalls(serverConfig(), true, pid)],
  ["a server with a child", serverCalls(serverConfig("--isolation", "process"), false, pid)],
  ["a renderer with Vulkan", rendererCalls(true, pid)],
])("%s starts programs, in no namespace of their own, and no more", (_, policy) => {
  const theirs = ["execve", "vfork", "capset", "seccomp", "landlock_restrict_self", "kill"];
  expect(forbidden.filter((name) => ask(policy, name) !== "refused")).toEqual(
    forbidden.filter((name) => theirs.includes(name)),
  );
  // fork and vfork; then CLONE_NEWUSER, CLONE_NEWNS, CLONE_NEWPID.
  for (const flags of [17, 0x4111]) expect(ask(policy, "clone", flags)).toBe("allowed");
  for (const flag of [0x1000_0000, 0x2_0000, 0x2000_0000])
    expect(ask(policy, "clone", flag | 17)).toBe("refused");
});

test("what runs guests' Vulkan has processes and the calls of a program's start, and else what others have not either", () => {
  const policy = renderServerCalls();
  const theirs = ["execve", "vfork", "kill"];
  expect(forbidden.filter((name) => ask(policy, name) !== "refused")).toEqual(
    forbidden.filter((name) => theirs.includes(name)),
  );
  for (const name of ["clone3", "io_uring_setup", "io_uring_enter"] as const)
    expect(ask(policy, name)).toBe("missing");
  for (const name of ["socket", "connect", "bind", "listen", "accept4", "sendto"] as const)
    expect(ask(policy, name, 1)).toBe("refused");
  expect([ask(policy, "socketpair", 1), ask(policy, "socketpair", 2)]).toEqual(["allowed", "refused"]);
  expect([ask(policy, "clone", 17), ask(policy, "clone", 0x1000_0000 | 17)]).toEqual(["allowed", "refused"]);
  for (const name of ["mmap", "mprotect"] as const)
    expect([ask(policy, name, 0, 4096, 5), ask(policy, name, 0, 4096, 7)]).toEqual(["allowed", "refused"]);
  // KVM_CREATE_VM, TIOCSTI; PR_SET_DUMPABLE.
  expect([ask(policy, "ioctl", 3, 0xae01), ask(policy, "ioctl", 3, 0x5412)]).toEqual(["refused", "refused"]);
  expect(ask(policy, "prctl", 4)).toBe("refused");
  // It is inside of its starter's.
  const [outer, inner] = [rendererCalls(true).rules, policy.rules].map((rules) => Object.keys(rules));
  expect(inner!.filter((name) => !outer!.includes(name))).toEqual([]);
});

test("arm64 has all that each needs, be it by the calls that have replaced older ones", () => {
  const none = Object.keys({ ...server.rules, ...renderer.rules }).filter(
    (name) => numbersOf(arm64, name as CallName).length === 0,
  );
  // What libc makes of these, a server has by itself.
  expect(none.toSorted()).toEqual([
    ...["access", "chmod", "dup2", "lstat", "open", "pipe", "readlink", "rmdir", "select", "stat"],
  ]);
  const args = [0n, 0n, 0n, 0n, 0n, 0n];
  const program = encode(compile(renderer, arm64));
  for (const name of ["epoll_pwait", "ppoll", "mkdirat", "renameat", "unlinkat"] as const) {
    const call = { nr: numberOf(arm64, name)!, arch: arm64.audit, args };
    expect(runFilter(program, call)).toBe(0x7fff_0000);
  }
});
