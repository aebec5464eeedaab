// What a wake-up costs alone: one thread writes an eventfd, another that sleeps in epoll writes a second one, which the
// caller watches. No fence can come back faster.

import { Worker } from "node:worker_threads";
import { libc } from "../../src/ffi/libc.ts";
import { createEventfd } from "../../src/transport/os/fds.ts";
import { nowNs } from "./clock.ts";

export interface WakeUpWorkerData {
  role: "signal" | "answer";
  cpus: readonly number[];
  /** What the first writes, and what the second does. */
  signalFd: number;
  callFd: number;
  /** A double: when the first wrote. */
  signalledNs: SharedArrayBuffer;
}

const count = new BigUint64Array(1);

/** Whether `fd` was written since the last look. */
export const isCalled = (fd: number): boolean => libc.read(fd, count, 8) === 8;

/** Microseconds from the write to the sight of the second eventfd, `samples` times after as many that warm up. */
export function measureWakeUps(cpus: readonly number[], samples: number): number[] {
  const [signalFd, callFd] = [createEventfd(), createEventfd()];
  const signalledNs = new SharedArrayBuffer(8);
  const written = new Float64Array(signalledNs);
  for (const role of ["answer", "signal"] as const) {
    const workerData: WakeUpWorkerData = { role, cpus, signalFd, callFd, signalledNs };
    new Worker(new URL("./wake-up-worker.ts", import.meta.url), { workerData });
  }
  return Array.from({ length: 2 * samples }, () => {
    while (!isCalled(callFd));
    return (nowNs() - written[0]!) / 1000;
  }).slice(samples);
}
