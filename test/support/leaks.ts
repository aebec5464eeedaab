// What a test file may not leave behind: descriptors, mappings of shared memory, timers, workers and children. setup.ts
// has every file watched, so that no file need count by hand what it opened before its first test.

import { afterAll } from "bun:test";
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { relative } from "node:path";

/** What is held: for each thing a key that nothing else has, its kind, and which of that kind it is. */
type Held = Map<unknown, { readonly kind: string; readonly which: string }>;

/** Held until the process ends, once anything has used it. */
const caches: readonly RegExp[] = [
  // Of Bun's event loop, and of what spawns processes.
  /^descriptor of anon_inode:\[(?:eventpoll|pidfd)\]$/,
  // Bells and counters of actors: whoever has a view of them may ring them at any time.
  /^(?:descriptor|mapping) of \/memfd:fencepost-words /,
];

/** As {@link caches}, of the file that is running. */
let allowed: readonly RegExp[] = [];

/** A file's tests end actors by force, which then leave what only they knew of: `kinds` of things, to the last test. */
export function mayLeave(...kinds: readonly RegExp[]): void {
  allowed = kinds;
}

/** How long what was closed may take to go: a socket of Bun's, a worker's thread, a child's last moments. */
const settleMs = 3_000;
/** Things of a kind that are named, before they are only counted. */
const namedMax = 4;

/**
 * Called when a file's imports are there, before anything else of it runs. Returns what is to be called at its end, when
 * all its hooks are known: after the last of them the file fails if it holds more than before.
 */
export function watch(path: string): () => void {
  const before = held();
  allowed = [];
  testsDone = 0;
  since.clear();
  return () =>
    afterAll(async () => {
      let left = leftBehind(before);
      for (const deadline = Date.now() + settleMs; left.length > 0 && Date.now() < deadline;) {
        Bun.gc(true);
        await Bun.sleep(20);
        left = leftBehind(before);
      }
      for (const pid of childrenSince(before)) process.kill(pid, "SIGKILL");
      if (left.length > 0)
        throw new Error(`${relative(process.cwd(), path)} leaves behind: ${left.join("; ")}`);
    }, settleMs + 5_000);
}

/** The test after which each thing was there for the first time, counted from 1. */
const since = new Map<unknown, number>();
let testsDone = 0;

/** Called after each test. */
export function noteTest(): void {
  testsDone++;
  const now = held();
  for (const key of since.keys()) if (!now.has(key)) since.delete(key);
  for (const key of now.keys()) if (!since.has(key)) since.set(key, testsDone);
}

/** A line for each kind of thing that was not there before: how many, and which. */
function leftBehind(before: Held): string[] {
  const left = Array.from(held()).flatMap(([key, thing]) =>
    before.has(key) ? [] : { ...thing, since: since.get(key) ?? 0 },
  );
  const unknown = left.filter(({ kind }) => ![...caches, ...allowed].some((cache) => cache.test(kind)));
  return Array.from(
    Map.groupBy(unknown, ({ kind }) => kind),
    ([kind, things]) => `${things.length} × ${kind} (${namesOf(things)}, ${firstOf(things)})`,
  );
}

/** A few say enough: a test that failed half-way may have left hundreds. */
function namesOf(things: readonly { which: string }[]): string {
  const named = things.slice(0, namedMax).map(({ which }) => which);
  return things.length > namedMax ? `${named.join(", ")} and more` : named.join(", ");
}

const childrenSince = (before: Held): number[] =>
  Array.from(held()).flatMap(([key, { kind, which }]) =>
    kind.startsWith("child ") && !before.has(key) ? Number(which) : [],
  );

function held(): Held {
  const all: Held = new Map();
  const hold = (kind: string, which: string): unknown => all.set(`${kind} ${which}`, { kind, which });
  for (const fd of readdirSync("/proc/self/fd")) {
    const target = readable(() => readlinkSync(`/proc/self/fd/${fd}`));
    if (target !== null) hold(`descriptor of ${target.replace(/:\[\d+\]$/, "")}`, fd);
  }
  for (const line of readFileSync("/proc/self/maps", "utf8").split("\n")) {
    const [, range, path] = /^(\S+) (?:\S+ ){4} *(.*)$/.exec(line) ?? [];
    if (/^\/(?:memfd:|dmabuf|dev\/)|^anon_inode:/.test(path ?? "")) hold(`mapping of ${path}`, range!);
  }
  for (const task of readdirSync("/proc/self/task")) {
    if (readable(() => readFileSync(`/proc/self/task/${task}/comm`, "utf8")) === "Worker\n")
      hold("worker", task);
    const children = readable(() => readFileSync(`/proc/self/task/${task}/children`, "utf8")) ?? "";
    for (const pid of children.split(" ")) if (pid !== "") hold(`child ${commandOf(pid)}`, pid);
  }
  for (const [timer, { stack }] of timers) all.set(timer, { kind: "timer", which: callerIn(stack) });
  return all;
}

function firstOf(things: readonly { since: number }[]): string {
  const test = Math.min(...things.map(({ since }) => since || Infinity));
  return Number.isFinite(test) ? `since test ${test} of the file` : "from a hook";
}

/** The first line of a stack that is not of this file. */
const callerIn = (stack = ""): string =>
  stack
    .split("\n")
    .slice(1)
    .find((line) => !line.includes(import.meta.path))
    ?.trim() ?? "nobody knows where";

const commandOf = (pid: string): string =>
  readable(() => readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ").trim()) ||
  "which has ended";

/** What a file of /proc says; null where its subject went while we looked. */
function readable(read: () => string): string | null {
  try {
    return read();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ESRCH") return null;
    throw error;
  }
}

/** Timers that have yet to fire, and where they were made. */
const timers = new Map<NodeJS.Timeout, Error>();

/** Has `setTimeout` and `setInterval` remember what has not fired yet: the runtime itself does not tell. */
export function watchTimers(): void {
  const { setTimeout: start, setInterval: repeat, clearTimeout: stop } = globalThis;
  const remember = (timer: NodeJS.Timeout): NodeJS.Timeout => {
    timers.set(timer, new Error("made here"));
    return timer;
  };
  const once = (run: (...args: unknown[]) => void, ms?: number, ...args: unknown[]): NodeJS.Timeout => {
    const timer = start(() => {
      timers.delete(timer);
      run(...args);
    }, ms);
    return remember(timer);
  };
  const forget = (timer?: NodeJS.Timeout | number | string): void => {
    for (const one of timers.keys()) if (one === timer || Number(one) === Number(timer)) timers.delete(one);
    stop(timer as NodeJS.Timeout);
  };
  Object.assign(globalThis, {
    setTimeout: Object.assign(once, start),
    setInterval: Object.assign((...args: Parameters<typeof repeat>) => remember(repeat(...args)), repeat),
    clearTimeout: forget,
    clearInterval: forget,
  });
}
