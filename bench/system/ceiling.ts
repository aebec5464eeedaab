// How many commands a second the driver can send when the device costs nothing: no server can be measured as faster.
// Prints samples, a JSON array of commands a second.

import { Worker } from "node:worker_threads";
import { CommandPipeline } from "../../lab/driver/command-pipeline.ts";
import { DriverRing } from "../../lab/driver/driver-ring.ts";
import { GuestMemory } from "../../lab/driver/guest-memory.ts";
import { Pump } from "../../lab/driver/pump.ts";
import type { EchoWorkerData } from "./echo-worker.ts";
import { dieWithParent } from "./scheduling.ts";

const bytes = 2 ** 20;
const windows = 20;
const commands = 200_000;

dieWithParent();
const memory = new GuestMemory([{ guestAddress: 0, size: bytes }]);
const ring = new DriverRing(memory, { size: 256, eventIdx: true });
const pipeline = new CommandPipeline(ring, memory, new Pump(), {
  depth: 64,
  requestBytes: 48,
  responseBytes: 24,
  spins: Infinity,
});
const workerData: EchoWorkerData = {
  fd: memory.regions[0]!.fd,
  bytes,
  avail: ring.avail.address,
  used: ring.used.address,
  size: ring.size,
};
new Worker(new URL("./echo-worker.ts", import.meta.url), { workerData });
const rates: number[] = [];
for (let window = -windows; window < windows; window++) {
  const from = Bun.nanoseconds();
  pipeline.run(commands);
  if (window >= 0) rates.push((commands / (Bun.nanoseconds() - from)) * 1e9);
}
console.log(JSON.stringify(rates));
process.exit(0);
