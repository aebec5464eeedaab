// The two threads of wake-ups.ts.

import { workerData } from "node:worker_threads";
import { libc } from "../../src/ffi/libc.ts";
import { Epoll, EPOLLET, EPOLLIN } from "../../src/transport/os/epoll.ts";
import { Notifier } from "../../src/transport/os/notifier.ts";
import { nowNs } from "./clock.ts";
import { pinThread } from "./scheduling.ts";
import type { WakeUpWorkerData } from "./wake-ups.ts";

const { role, cpus, signalFd, callFd, signalledNs } = workerData as WakeUpWorkerData;
const written = new Float64Array(signalledNs);
const signal = new Notifier(signalFd);
const call = new Notifier(callFd);
const nobody = new Int32Array(2);

pinThread(cpus);
if (role === "answer") {
  const epoll = new Epoll();
  epoll.add(signalFd, EPOLLIN | EPOLLET, () => call.signal());
  for (;;) epoll.wait(-1);
}
for (;;) {
  libc.poll(nobody, 0, 1);
  written[0] = nowNs();
  signal.signal();
}
