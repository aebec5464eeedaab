// Threads of a process held still as a debugger does: what waits for them waits until the test lets go, on any machine.

import { dlopen } from "bun:ffi";
import { readdirSync, readFileSync } from "node:fs";

const request = { SEIZE: 0x4206, INTERRUPT: 0x4207, DETACH: 17 } as const;
const WALL = 0x4000_0000;

const { symbols: libc } = dlopen("libc.so.6", {
  ptrace: { args: ["u64", "u64", "u64", "u64"], returns: "i64" },
  waitpid: { args: ["i32", "ptr", "i32"], returns: "i32" },
});

/** Holds the threads of a child of ours whose names begin so. Returns what lets them go. Throws where there are none. */
export function holdThreads(pid: number, name: string): () => void {
  const threads = readdirSync(`/proc/${pid}/task`)
    .map(Number)
    .filter((thread) => readFileSync(`/proc/${pid}/task/${thread}/comm`, "utf8").startsWith(name));
  if (threads.length === 0) throw new Error(`process ${pid} has no threads ${name}…`);
  for (const thread of threads) {
    trace("SEIZE", thread);
    trace("INTERRUPT", thread);
    if (libc.waitpid(thread, null, WALL) !== thread) throw new Error(`thread ${thread} does not stop`);
  }
  return () => {
    for (const thread of threads.splice(0)) trace("DETACH", thread);
  };
}

function trace(what: keyof typeof request, thread: number): void {
  if (libc.ptrace(request[what], thread, 0, 0) !== 0n) throw new Error(`no ${what} of thread ${thread}`);
}
