// What a process and those that it has started have used, as the kernel counts it: an actor of the server's may have one.

import { readdirSync, readFileSync } from "node:fs";

export interface Usage {
  /** CPU time of all threads, in nanoseconds. */
  cpuNs: number;
  /** Times that a thread gave its processor up to wait for something. */
  sleeps: number;
  /** read and write system calls, of eventfds too; not those that wait, and not messages on sockets. */
  readsAndWrites: number;
  /** What write system calls were given, whatever became of it. */
  writtenBytes: number;
}

/** A process, those that it has started, and so on. */
export function withChildren(pid: number): number[] {
  const children = readdirSync(`/proc/${pid}/task`).flatMap((tid) =>
    readFileSync(`/proc/${pid}/task/${tid}/children`, "latin1").split(" ").filter(Boolean).map(Number),
  );
  return [pid, ...children.flatMap(withChildren)];
}

/** Threads that have ended count no more. */
export function usageOf(pid: number): Usage {
  const all: Usage = { cpuNs: 0, sleeps: 0, readsAndWrites: 0, writtenBytes: 0 };
  for (const usage of withChildren(pid).map(ownUsageOf)) {
    for (const key of Object.keys(all) as (keyof Usage)[]) all[key] += usage[key];
  }
  return all;
}

function ownUsageOf(pid: number): Usage {
  let cpuNs = 0;
  let sleeps = 0;
  for (const tid of readdirSync(`/proc/${pid}/task`)) {
    const task = `/proc/${pid}/task/${tid}`;
    cpuNs += Number(readFileSync(`${task}/schedstat`, "utf8").split(" ")[0]);
    sleeps += field(readFileSync(`${task}/status`, "utf8"), "voluntary_ctxt_switches");
  }
  const io = readFileSync(`/proc/${pid}/io`, "utf8");
  const readsAndWrites = field(io, "syscr") + field(io, "syscw");
  return { cpuNs, sleeps, readsAndWrites, writtenBytes: field(io, "wchar") };
}

/** Processor time that the whole machine has spent since it started, in nanoseconds, on whatever; a hypervisor's too. */
export function machineCpuNs(): number {
  const ticks = readFileSync("/proc/stat", "latin1").split("\n")[0]!.split(/ +/).slice(1).map(Number);
  const [user, nice, system, , , irq, softirq, steal] = ticks as [
    number,
    number,
    number,
    number,
    number,
    ...number[],
  ];
  return (user + nice + system + (irq ?? 0) + (softirq ?? 0) + (steal ?? 0)) * nsPerTick;
}

/** USER_HZ is 100 on all of Linux. */
const nsPerTick = 1e7;

export interface Memory {
  /** Resident, in bytes: pages shared with other processes count whole. */
  rss: number;
  /** The same, pages shared by n processes counted as 1/n. */
  pss: number;
  /** Of {@link pss}, all but shared memory such as the guest's RAM. */
  pssOwn: number;
}

export function memoryOf(pid: number): Memory {
  const all: Memory = { rss: 0, pss: 0, pssOwn: 0 };
  for (const memory of withChildren(pid).map(ownMemoryOf)) {
    for (const key of Object.keys(all) as (keyof Memory)[]) all[key] += memory[key];
  }
  return all;
}

function ownMemoryOf(pid: number): Memory {
  const text = readFileSync(`/proc/${pid}/smaps_rollup`, "utf8");
  const bytes = (name: string): number => field(text, name) * 1024;
  return { rss: bytes("Rss"), pss: bytes("Pss"), pssOwn: bytes("Pss_Anon") + bytes("Pss_File") };
}

function field(text: string, name: string): number {
  return Number(new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(text)![1]);
}
