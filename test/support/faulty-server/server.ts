// The server with a door in each of its threads (door.ts): all else is the real thing.

import { join } from "node:path";
import "./door.ts";

const RealWorker = globalThis.Worker;
const preload = [join(import.meta.dir, "door.ts")];

globalThis.Worker = class extends RealWorker {
  constructor(url: string | URL, options: WorkerOptions = {}) {
    super(url, {
      ...options,
      preload,
      env: { ...process.env, FAULTY_ACTOR: options.name! },
    } as WorkerOptions);
  }
};

const { begin } = await import("../../../src/cli/begin.ts");
await begin("fencepost", () => import("../../../src/cli/serve.ts"));
