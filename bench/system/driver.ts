// The driver's process: boots a guest in front of a server that already listens, runs one workload, prints its figures.
//
//   bun bench/system/driver.ts JOB   (JSON, as runner.ts makes it)

import { SyntheticGuest } from "../../lab/driver/synthetic-guest.ts";
import { DisplayReader } from "./display-reader.ts";
import { FenceClock } from "./fence-clock.ts";
import type { Figure } from "./figure.ts";
import type { Job } from "./job.ts";
import { dieWithParent, pin } from "./scheduling.ts";
import { Stage } from "./stage.ts";
import { workloads } from "./workloads/index.ts";

const mebibyte = 2 ** 20;
/** A 4K frame, the rings, and 64 MiB of pages to attach. */
const memory = [
  { guestAddress: 0, size: 16 * mebibyte },
  { guestAddress: 2 ** 32, size: 160 * mebibyte },
];

dieWithParent();
try {
  await Bun.write(Bun.stdout, JSON.stringify(drive(JSON.parse(process.argv[2]!) as Job)));
  process.exit(0);
} catch (error) {
  // Whatever it is, whoever started this process tells it.
  console.error((error as Error).message);
  process.exit(1);
}

function drive(job: Job): Figure[] {
  const workload = workloads.find(({ name }) => name === job.workload);
  if (workload?.kind !== "guest") throw new Error(`${job.workload} is no workload for a driver`);
  const modes = [{ x: 0, y: 0, width: 1920, height: 1080 }];
  const display = new DisplayReader({ features: job.displayFeatures, modes });
  const options = { memory, display: null, patienceMs: 20_000, ...workload.guest };
  const guest = SyntheticGuest.connect(job.socketPath, options);
  if (workload.bootMs !== undefined) Bun.sleepSync(workload.bootMs);
  guest.initialise();
  guest.frontend.gpuSetSocket(display.fd);
  guest.start();
  if (job.cpus !== null) {
    pin(process.pid, job.cpus.driver);
    pin(job.serverPid, job.cpus.server);
  }
  const clock = job.clockPath === null ? null : new FenceClock(job.clockPath);
  return workload.measure(new Stage(guest, display, job.budget, job.serverPid, job.cpus, clock));
}
