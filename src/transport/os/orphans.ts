// Processes that a child of ours has left behind: they are this process's from then on, and are ended. They have what the child was
// given, and may be somebody else's.

import { readdirSync } from "node:fs";
import { libc, PR_SET_CHILD_SUBREAPER, SIGKILL, WNOHANG } from "../../ffi/libc.ts";
import { childrenOf } from "./children.ts";

/** How often, and how many times, one looks whether they have ended. */
const lookMs = 20;
const looksMax = 250;

let areAdopted = false;
/** What a shell has started before it became this program. */
let strangers: readonly number[] = [];

/** From now on what a child leaves is this process's, and not the system's. */
export function adoptOrphans(): void {
  strangers = children();
  areAdopted = libc.prctl(PR_SET_CHILD_SUBREAPER, 1) === 0;
}

/** Ends all processes that this one has but `own`, which it has started itself, and those that they leave in their turn. */
export function endOrphans(own: ReadonlySet<number>, looks = looksMax): void {
  if (!areAdopted || looks === 0) return;
  const orphans = children().filter((pid) => !own.has(pid) && !strangers.includes(pid));
  for (const pid of orphans) {
    libc.kill(pid, SIGKILL);
    libc.waitpid(pid, null, WNOHANG);
  }
  if (orphans.length > 0) setTimeout(() => endOrphans(own, looks - 1), lookMs).unref();
}

const children = (): number[] =>
  readdirSync("/proc/self/task").flatMap((thread) => childrenOf("self", thread) ?? []);
