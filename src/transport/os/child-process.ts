// A program that we start, in a process group of its own, with no descriptor but those that it is given. For threads that
// block in epoll: its end is a descriptor that becomes readable, and it is reaped when that has been seen.

import { toArrayBuffer } from "bun:ffi";
import {
  asPointer,
  cString,
  F_DUPFD_CLOEXEC,
  libc,
  SIGKILL,
  SYS_pidfd_open,
  WNOHANG,
} from "../../ffi/libc.ts";
import { opaqueBytes, posixSpawn, sigsetBytes, SpawnFlag } from "../../ffi/posix-spawn.ts";
import { checked, SystemError } from "./errors.ts";
import { closeFd } from "./fds.ts";
import { NativeMemory } from "./native-memory.ts";

/** Descriptors that a child is given are numbers below this in it. */
const givenMax = 16;

export interface Program {
  path: string;
  /** Behind its name. */
  arguments: readonly string[];
  /** Its descriptors 1, 2, …; they stay the caller's. Its descriptor 0 is /dev/null. */
  descriptors: readonly number[];
  /** Resources of `prlimit` and their limits. */
  limits: readonly (readonly [resource: number, limit: number])[];
  /** Instead of this process's own. */
  environment?: Readonly<Record<string, string>>;
}

/** A descriptor that becomes readable when the process ends; -1 where there is none, or no such process. */
export const watchProcess = (pid: number): number => libc.syscall(SYS_pidfd_open, pid, 0);

export class ChildProcess {
  /** Becomes readable when it has ended; -1 on a kernel without such (before Linux 5.3). */
  readonly endFd: number;
  private isReaped = false;

  private constructor(readonly pid: number) {
    this.endFd = watchProcess(pid);
  }

  /** Throws a `SystemError` where it does not start. */
  static start(program: Program): ChildProcess {
    const child = new ChildProcess(spawn(program));
    const limit = new BigUint64Array(2);
    for (const [resource, value] of program.limits) {
      limit.fill(BigInt(value));
      libc.prlimit(child.pid, resource, limit, null);
    }
    return child;
  }

  /** Whether it has ended, which it then leaves no trace of. */
  hasEnded(): boolean {
    if (!this.isReaped) this.isReaped = libc.waitpid(this.pid, null, WNOHANG) === this.pid;
    return this.isReaped;
  }

  /** Ends it and all of its group, at once. */
  close(): void {
    if (!this.isReaped) {
      // Until it is reaped nobody else has its number.
      libc.kill(-this.pid, SIGKILL);
      libc.kill(this.pid, SIGKILL);
      libc.waitpid(this.pid, null, 0);
      this.isReaped = true;
    }
    if (this.endFd >= 0) closeFd(this.endFd);
  }
}

function spawn({ path, arguments: rest, descriptors, environment }: Program): number {
  const memory = NativeMemory.allocate(2 * opaqueBytes + 2 * sigsetBytes);
  const [actions, attributes] = [asPointer(memory.address), asPointer(memory.address + opaqueBytes)];
  const none = asPointer(memory.address + 2 * opaqueBytes);
  const all = asPointer(memory.address + 2 * opaqueBytes + sigsetBytes);
  new Uint8Array(memory.view(2 * opaqueBytes + sigsetBytes, sigsetBytes)).fill(0xff);
  // Above all numbers that they get, so that no copy overwrites one that is still to be copied.
  const copies = descriptors.map((fd) =>
    checked(libc.fcntl(fd, F_DUPFD_CLOEXEC, givenMax), "fcntl", `giving ${path} a descriptor`),
  );
  posixSpawn.posix_spawn_file_actions_init(actions);
  posixSpawn.posix_spawn_file_actions_addopen(actions, 0, cString("/dev/null"), 0, 0);
  copies.forEach((fd, index) => posixSpawn.posix_spawn_file_actions_adddup2(actions, fd, index + 1));
  posixSpawn.posix_spawn_file_actions_addclosefrom_np(actions, copies.length + 1);
  posixSpawn.posix_spawnattr_init(attributes);
  // What this thread blocks and this process ignores is nothing that the program knows of.
  const { SETPGROUP, SETSIGDEF, SETSIGMASK } = SpawnFlag;
  posixSpawn.posix_spawnattr_setflags(attributes, SETPGROUP | SETSIGDEF | SETSIGMASK);
  posixSpawn.posix_spawnattr_setpgroup(attributes, 0);
  posixSpawn.posix_spawnattr_setsigmask(attributes, none);
  posixSpawn.posix_spawnattr_setsigdefault(attributes, all);
  const argv = new CStrings([path, ...rest]);
  const pid = new Int32Array(1);
  const own = asPointer(pointerAt(libc.dlsym(null, cString("environ"))!));
  const given = environment && new CStrings(Object.entries(environment).map((pair) => pair.join("=")));
  const env = given?.address ?? own;
  const error = posixSpawn.posix_spawn(pid, cString(path), actions, attributes, argv.address, env);
  posixSpawn.posix_spawn_file_actions_destroy(actions);
  posixSpawn.posix_spawnattr_destroy(attributes);
  for (const fd of copies) closeFd(fd);
  argv.free();
  given?.free();
  memory.unmap();
  if (error !== 0) throw new SystemError("posix_spawn", error, `starting ${path}`);
  return pid[0]!;
}

/** An array of C strings with a null behind it, in memory that does not move. */
class CStrings {
  private readonly memory: NativeMemory;

  constructor(texts: readonly string[]) {
    const strings = texts.map(cString);
    const table = (texts.length + 1) * 8;
    this.memory = NativeMemory.allocate(table + strings.reduce((sum, { length }) => sum + length, 0));
    const pointers = new BigUint64Array(this.memory.view(0, table));
    const bytes = new Uint8Array(this.memory.view());
    let at = table;
    strings.forEach((string, index) => {
      pointers[index] = BigInt(this.memory.address + at);
      bytes.set(string, at);
      at += string.length;
    });
  }

  get address() {
    return asPointer(this.memory.address);
  }

  free(): void {
    this.memory.unmap();
  }
}

/** The address that lies at an address. */
function pointerAt(address: Parameters<typeof toArrayBuffer>[0]): number {
  const [low, high] = new Uint32Array(toArrayBuffer(address, 0, 8));
  return high! * 2 ** 32 + low!;
}
