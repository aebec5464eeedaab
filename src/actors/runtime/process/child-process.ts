// An actor in a process of its own: started by this one with what it is given, and watched.

import { serialize } from "bun:jsc";
import { closeFd } from "../../../transport/os/fds.ts";
import { endOrphans } from "../../../transport/os/orphans.ts";
import { memfdWith } from "../../../transport/os/sent-bytes.ts";
import { socketPair } from "../../../transport/os/unix-socket.ts";
import { type ActorName, entries, type WorkerName } from "../../registry.ts";
import type { LineEnd } from "../lines/line.ts";
import { ownEnvironment, ownProgram } from "./own-program.ts";
import type { ActorStart } from "../start.ts";
import type { Running } from "../thread.ts";
import type { ChildStart } from "./child.ts";
import { readLines } from "./lines-of-text.ts";
import { actorEntry, actorWord, bellFd, firstGivenFd } from "./protocol.ts";

type Child = Bun.Subprocess<"ignore", "pipe", "pipe">;
/** Those that run. */
const own = new Set<number>();

export interface ChildEvents {
  /** It may have sent the supervisor something. */
  rung(): void;
  /** It, or a library in it, has printed a line. */
  said(line: string): void;
  /** It is no more, for a reason such as "ended by SIGKILL". */
  ended(reason: string): void;
}

/** Starts a process for the actor, which gets all that `start` names and nothing else; its ends of lines are closed here. */
export function startChild(name: WorkerName, start: ActorStart, events: ChildEvents): Running {
  const given: number[] = [];
  const give = (fd: number): number => (fd < 0 ? fd : firstGivenFd + given.push(fd) - 1);
  const giveAll = (fds: Record<string, number>): Record<string, number> =>
    Object.fromEntries(Object.entries(fds).map(([key, fd]) => [key, give(fd)]));
  const [bell, childBell] = socketPair("stream");
  const childStart: ActorStart = {
    ...start,
    isChild: true,
    words: { ...start.words, fd: give(start.words.fd), outer: 0, inner: 0 },
    tapsFd: give(start.tapsFd),
    areaFds: giveAll(start.areaFds),
    areaPlaces: {},
    bellFds: { ...giveAll(start.bellFds), supervisor: bellFd },
    lines: start.lines.map(([peer, end]): [ActorName, LineEnd] => [peer, givenEnd(end, give)]),
  };
  const bytes = bytesOf({ entry: entries[name]().href, parent: process.pid, start: childStart });
  const child = spawned([...ownProgram(actorWord, actorEntry), name], [childBell, bytes, ...given], events);
  for (const fd of [childBell, bytes, ...descriptorsOf(start.lines)]) closeFd(fd);
  if (child === null) {
    closeFd(bell);
    return { pid: null, end: () => undefined, ended: Promise.resolve() };
  }
  for (const output of [child.stdout, child.stderr]) void readLines(output, (line) => events.said(line));
  void hear(bell, () => events.rung());
  return { pid: child.pid, end: () => child.kill("SIGKILL"), ended: child.exited };
}

/** The process, with `fds` from 3 on; null where the host does not start it, of which the events tell. */
function spawned(words: string[], fds: number[], events: ChildEvents): Child | null {
  try {
    const child = Bun.spawn(words, {
      stdio: ["ignore", "pipe", "pipe", ...fds],
      cwd: "/",
      env: ownEnvironment(),
      // A terminal's signals are for the server, which tells its actors.
      detached: true,
      onExit: ({ pid }, code, signal) => {
        own.delete(pid);
        endOrphans(own);
        events.ended(signal === null ? `ended with exit code ${code}` : `ended by ${signal}`);
      },
    });
    own.add(child.pid);
    return child;
  } catch (error) {
    if (!(error instanceof Error && "code" in error)) throw error;
    const reason = `could not be started as a process: ${error.message}`;
    // Once whoever starts it knows it.
    setTimeout(() => events.ended(reason), 0);
    return null;
  }
}

function givenEnd(end: LineEnd, give: (fd: number) => number): LineEnd {
  if (end.kind === "port") throw new Error("a port does not lead to another process");
  return { ...end, memoryFd: give(end.memoryFd), socketFd: give(end.socketFd) };
}

const descriptorsOf = (lines: ActorStart["lines"]): number[] =>
  lines.flatMap(([, end]) => (end.kind === "rings" ? [end.memoryFd, end.socketFd] : []));

/** A descriptor to read the start from. */
function bytesOf(start: ChildStart): number {
  const bytes = new Uint8Array(serialize(start));
  return memfdWith("fencepost-start", bytes.length, (memory) => new Uint8Array(memory).set(bytes));
}

/** Calls `rung` for as long as somebody has the other end of `bell`, and closes it. */
async function hear(bell: number, rung: () => void): Promise<void> {
  for await (const bytes of Bun.file(bell).stream()) if (bytes.length > 0) rung();
  // The stream leaves a descriptor that it was given open.
  closeFd(bell);
}
