// What a command costs a real virtual machine: from its guest to its guest, by the guest's own clock.

import { existsSync } from "node:fs";
import { join } from "node:path";
import { bound } from "../../../lab/bound-child.ts";
import { kvmPath } from "../../../lab/kvm/kvm.ts";
import { type Backend, start } from "../backends.ts";
import { type Figure, parseFigures } from "../figure.ts";
import type { MachineJob } from "../machine-driver.ts";
import type { ServerWorkload } from "../workload.ts";

const driver = join(import.meta.dir, "..", "machine-driver.ts");
const limitMs = 180_000;
/** A million instructions a second is what some hosts' KVM runs. */
const samples = { alone: 1_000, batches: 60, steps: 1_000 } as const;

type Kind = Pick<MachineJob, "measure" | "depth" | "path" | "samples">;

const paths = {
  kernel: "by ioeventfd and irqfd",
  vmm: "by exits to the VMM, and interrupts that it raises",
} as const;

const roundTrips = (Object.keys(paths) as (keyof typeof paths)[]).flatMap((path) => [
  workload(`machine/1/${path}`, `A guest's smallest command, one at a time, ${paths[path]}`, {
    measure: "round-trips",
    depth: 1,
    path,
    samples: samples.alone,
  }),
  workload(`machine/64/${path}`, `A guest's smallest commands, 64 at a time, ${paths[path]}`, {
    measure: "round-trips",
    depth: 64,
    path,
    samples: samples.batches,
  }),
]);

const steps = workload("machine/steps", "What a command on its own is made of", {
  measure: "steps",
  depth: 1,
  path: "kernel",
  samples: samples.steps,
});

/** None where there is no KVM. */
export const machines: ServerWorkload[] = existsSync(kvmPath) ? [...roundTrips, steps] : [];

function workload(name: string, title: string, kind: Kind): ServerWorkload {
  return {
    kind: "server",
    name,
    title,
    renderer: "software",
    measure: (backend) => measure(backend, kind),
  };
}

async function measure(backend: Backend, kind: Kind): Promise<Figure[]> {
  const servers = [await start(backend, "software")];
  try {
    if (kind.measure === "steps") servers.push(await start(backend, "software"));
    const job: MachineJob = {
      ...kind,
      socketPaths: servers.map(({ socketPath }) => socketPath),
      serverPid: servers[0]!.pid,
      displayFeatures: backend.displayFeatures,
    };
    return await drive(job);
  } finally {
    for (const server of servers) await server.stop();
  }
}

async function drive(job: MachineJob): Promise<Figure[]> {
  const child = Bun.spawn(bound([process.execPath, driver, JSON.stringify(job)]), {
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
    timeout: limitMs,
    killSignal: "SIGKILL",
  });
  const [output, errors] = await Promise.all([child.stdout.text(), child.stderr.text()]);
  if ((await child.exited) === 0) return parseFigures(output) as Figure[];
  throw new Error(errors.trim() || `no result within ${limitMs / 1000} s`);
}
