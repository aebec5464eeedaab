// The door by which a test has system calls of one actor fail, or holds the actor: it replaces entries of libc's table on this
// thread, and the product knows nothing of it. Loaded by server.ts, and before each worker's own modules.

import { toArrayBuffer } from "bun:ffi";
import { appendFileSync, closeSync, openSync } from "node:fs";
import { basename } from "node:path";
import { F_DUPFD_CLOEXEC, libc } from "../../../src/ffi/libc.ts";
import { NativeMemory } from "../../../src/transport/os/native-memory.ts";
import { type Armed, armedAt, faultBytes, FaultWord } from "./words.ts";

/** Set by server.ts for each worker; the main thread is the supervisor. */
const actor = process.env["FAULTY_ACTOR"] ?? "supervisor";
const path = process.env["FAULTS"]!;

const fd = openSync(path, "r+");
const memory = NativeMemory.mapShared(fd, 0, faultBytes, "write");
closeSync(fd);
const words = new Int32Array(memory.view(0, armedAt));
const text = new Uint8Array(memory.view(armedAt));
const errnoWord = new Int32Array(toArrayBuffer(libc.__errno_location()!, 0, 4));

const seen = new Set<string>();
let generation = 0;
let armed: Armed = {};

function orders(): Armed {
  const now = Atomics.load(words, FaultWord.generation);
  if (now !== generation) {
    const end = text.indexOf(0);
    armed = JSON.parse(new TextDecoder().decode(text.slice(0, end))) as Armed;
    generation = now;
  }
  return armed;
}

/** Calls that make a descriptor or map memory, and what each returns when it fails. */
const makers = {
  accept4: -1,
  epoll_create1: -1,
  eventfd: -1,
  fcntl: -1,
  malloc: null,
  memfd_create: -1,
  mmap: -1,
  pipe2: -1,
  socket: -1,
  socketpair: -1,
} as const;

/** What wraps the calls, and does not want one for itself. */
const below = /\/(?:door|fds|native-memory|unix-socket|unix-path|epoll|notifier)\.ts:/;

/** The file and function that wanted it, such as "memfd-storage.ts create". */
function placeOf(stack: string): string {
  const frame = stack.split("\n").find((line) => /\.ts:\d/.test(line) && !below.test(line)) ?? "";
  const [, name = "", file = ""] = /at (?:(?:async )?([^(]*) \()?([^()]*?\.ts):\d/.exec(frame) ?? [];
  return `${basename(file)} ${name.trim() || "itself"}`;
}

for (const [call, failure] of Object.entries(makers)) {
  const real = libc[call as keyof typeof makers] as (...args: unknown[]) => unknown;
  const wrapped = (...args: unknown[]): unknown => {
    if (call === "fcntl" && args[1] !== F_DUPFD_CLOEXEC) return real(...args);
    const point = `${call} in ${placeOf(new Error("here").stack!)}`;
    if (!seen.has(point)) {
      seen.add(point);
      appendFileSync(`${path}.points`, `${JSON.stringify([actor, point])}\n`);
    }
    const { fail } = orders();
    const isMeant = fail !== undefined && fail.actor === actor && fail.point === point;
    if (!isMeant || Atomics.sub(words, FaultWord.left, 1) <= 0) return real(...args);
    Atomics.add(words, FaultWord.failed, 1);
    errnoWord[0] = fail.errno;
    return failure;
  };
  Object.assign(libc, { [call]: wrapped });
}

const hostNow = Date.now;
Date.now = () => hostNow() + (orders().clockMs ?? 0);
