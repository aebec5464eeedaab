// Which processor a process runs on, and processors that never sleep.

import { readdirSync, readFileSync } from "node:fs";
import { dlopen, FFIType } from "bun:ffi";
import { withChildren } from "./process-usage.ts";

const { symbols: libc } = dlopen("libc.so.6", {
  prctl: {
    args: ["i32", FFIType.u64_fast, FFIType.u64_fast, FFIType.u64_fast, FFIType.u64_fast],
    returns: "i32",
  },
  sched_setaffinity: { args: ["i32", "u32", "ptr"], returns: "i32" },
  sched_setscheduler: { args: ["i32", "i32", "ptr"], returns: "i32" },
});

const SCHED_IDLE = 5;
const PR_SET_PDEATHSIG = 1;
const SIGKILL = 9;

/** Who runs where: one processor for the driver, all others for the server. */
export interface Placement {
  driver: number[];
  server: number[];
}

/** Null where there is only one processor. */
export function placement(): Placement | null {
  const [first, ...others] = allowedCpus();
  return first === undefined || others.length === 0 ? null : { driver: [first], server: others };
}

/** Moves every thread of a process, and of those that it has started, to `cpus`; threads that they start later follow. */
export function pin(pid: number, cpus: readonly number[]): void {
  const mask = maskOf(cpus);
  for (const one of withChildren(pid)) {
    for (const tid of readdirSync(`/proc/${one}/task`)) {
      libc.sched_setaffinity(Number(tid), mask.byteLength, mask);
    }
  }
}

/** Moves the calling thread to `cpus`. */
export function pinThread(cpus: readonly number[]): void {
  const mask = maskOf(cpus);
  libc.sched_setaffinity(0, mask.byteLength, mask);
}

/** Has the kernel kill this process when its parent dies, however that dies. */
export function dieWithParent(): void {
  libc.prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
}

/** Lets everything else run before this process. */
export function yieldToAll(): void {
  libc.sched_setscheduler(0, SCHED_IDLE, new Int32Array(1));
}

function maskOf(cpus: readonly number[]): BigUint64Array {
  const mask = new BigUint64Array(16);
  for (const cpu of cpus) mask[cpu >> 6]! |= 1n << BigInt(cpu & 63);
  return mask;
}

/** The processors that this process may use. */
function allowedCpus(): number[] {
  const list = /^Cpus_allowed_list:\s*(.*)$/m.exec(readFileSync("/proc/self/status", "utf8"))![1]!;
  return list.split(",").flatMap((range) => {
    const [from, to] = range.split("-").map(Number) as [number, number?];
    return Array.from({ length: (to ?? from) - from + 1 }, (_, index) => from + index);
  });
}
