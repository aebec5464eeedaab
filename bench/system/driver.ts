// The driver's process: boots a guest in front of a server that already listens, runs one workload, prints its figures.
//
//   bun bench/system/driver.ts JOB   (JSON, as runner.ts makes it)

import { SyntheticGuest } from "../../src/guest/synthetic-guest.ts";
import { DisplayReader } from "./display-reader.ts";
import { dieWithParent, pin } from "./scheduling.ts";
import { type Budget, Stage } from "./stage.ts";
import { workloads } from "./workloads/index.ts";

export interface Job {
  workload: string;
  socketPath: string;
  serverPid: number;
  /** Null: both sides go where the kernel puts them. */
  cpus: { driver: number[]; server: number[] } | null;
  budget: Budget;
  /** What the VMM's display offers: 0 as QEMU 7.2, 3 as QEMU 10. */
  displayFeatures: number;
}

const mebibyte = 2 ** 20;
/** A 4K frame, the rings, and 64 MiB of pages to attach. */
const memory = [
  { guestAddress: 0, size: 16 * mebibyte },
  { guestAddress: 2 ** 32, size: 160 * mebibyte },
];

dieWithParent();
const job = JSON.parse(process.argv[2]!) as Job;
const workload = workloads.find(({ name }) => name === job.workload);
if (workload?.kind !== "guest") throw new Error(`${job.workload} is no workload for a driver`);

const modes = [{ x: 0, y: 0, width: 1920, height: 1080 }];
const display = new DisplayReader({ features: job.displayFeatures, modes });
const guest = SyntheticGuest.connect(job.socketPath, {
  memory,
  display: null,
  patienceMs: 20_000,
  ...workload.guest,
});
guest.initialise();
guest.frontend.gpuSetSocket(display.fd);
guest.start();
if (job.cpus !== null) {
  pin(process.pid, job.cpus.driver);
  pin(job.serverPid, job.cpus.server);
}
const figures = workload.measure(new Stage(guest, display, job.budget, job.serverPid, job.cpus !== null));
await Bun.write(Bun.stdout, JSON.stringify(figures));
process.exit(0);
