// A driver's loop in front of a device that costs nothing: what the driver itself can do, and what warms it.

import { Worker } from "node:worker_threads";
import { CommandPipeline } from "../../lab/driver/command-pipeline.ts";
import { DriverRing } from "../../lab/driver/driver-ring.ts";
import { GuestMemory } from "../../lab/driver/guest-memory.ts";
import { Pump } from "../../lab/driver/pump.ts";
import type { EchoWorkerData } from "./echo-worker.ts";

const bytes = 2 ** 20;

export class Echo {
  readonly pipeline: CommandPipeline;
  private readonly worker: Worker;

  constructor() {
    const memory = new GuestMemory([{ guestAddress: 0, size: bytes }]);
    const ring = new DriverRing(memory, { size: 256, eventIdx: true });
    this.pipeline = new CommandPipeline(ring, memory, new Pump(), {
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
    this.worker = new Worker(new URL("./echo-worker.ts", import.meta.url), { workerData });
  }

  /** Ends the device, which looks at its ring all the time. */
  close(): void {
    void this.worker.terminate();
  }
}
