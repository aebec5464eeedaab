// A process that runs one actor: it reads what it is given, and becomes that actor. Its thread blocks in epoll like any
// other actor's.

import { deserialize } from "bun:jsc";
import {
  asPointer,
  F_SETFD,
  FD_CLOEXEC,
  libc,
  PR_SET_PDEATHSIG,
  SIG_DFL,
  SIG_IGN,
} from "../../../ffi/libc.ts";
import { closeFd, sizeOfFd } from "../../../transport/os/fds.ts";
import { NativeMemory } from "../../../transport/os/native-memory.ts";
import { type ActorStart, begin } from "../start.ts";
import { bellFd, startFd } from "./protocol.ts";
import { Sandbox } from "../../sandbox/sandbox.ts";
import { ConfigError } from "../../../config-error.ts";

const signals = process.getBuiltinModule("node:os").constants.signals;
/** Whoever ends the server in order tells it, and that tells its actors: a terminal and systemd signal all of them. */
const ignored = [signals.SIGINT, signals.SIGTERM, signals.SIGHUP];
/** The kernel ends it at once, and says so: the engine's own report blames the engine, and needs a process that works. */
const fatal = [signals.SIGSEGV, signals.SIGBUS, signals.SIGILL, signals.SIGFPE];

/** What a process is given: whose it is, and how it starts. */
export interface ChildStart {
  /** The URL of its module. */
  entry: string;
  parent: number;
  start: ActorStart;
}

const { entry, parent, start } = readStart();
for (const signal of ignored) libc.signal(signal, asPointer(SIG_IGN));
for (const signal of fatal) libc.signal(signal, asPointer(SIG_DFL));
libc.prctl(PR_SET_PDEATHSIG, signals.SIGKILL);
// It may have died before.
if (libc.getppid() !== parent) process.exit(0);
const descriptors = [bellFd, startFd, ...descriptorsOf(start)].filter((fd) => fd >= 0);
const call = { directory: "/", environment: process.env, descriptors, files: [], goBack: () => {} };
const sandbox = Sandbox.enter("renderer", start.config, call);
keepToItself();
begin(start, (startsPrograms) => {
  const { said, refusal } = sandbox.close(startsPrograms);
  if (refusal !== null) throw new ConfigError(refusal);
  return said;
});
await import(entry);
process.exit(0);

function readStart(): ChildStart {
  const bytes = sizeOfFd(startFd);
  const memory = NativeMemory.mapShared(startFd, 0, bytes, "read");
  const given = deserialize(Buffer.from(new Uint8Array(memory.view()))) as ChildStart;
  memory.unmap();
  return given;
}

/** Nothing that is run from here is to have what it was given. */
function keepToItself(): void {
  closeFd(startFd);
  for (const fd of [bellFd, ...descriptorsOf(start)]) libc.fcntl(fd, F_SETFD, FD_CLOEXEC);
}

function descriptorsOf({ words, tapsFd, bellFds, areaFds, lines }: ActorStart): number[] {
  const ends = lines.flatMap(([, end]) => (end.kind === "rings" ? [end.memoryFd, end.socketFd] : []));
  return [words.fd, tapsFd, ...Object.values(bellFds), ...Object.values(areaFds), ...ends];
}
