// The process of a machine of KVM: boots it in front of a server that already listens, has its guest measure, prints figures.
//
//   bun bench/system/machine-driver.ts JOB   (JSON, as workloads/machines.ts makes it)

import { Worker } from "node:worker_threads";
import { steps } from "../../lab/kvm/layout.ts";
import { Machine, type MachineOptions } from "../../lab/kvm/machine.ts";
import { type Figure, figure } from "./figure.ts";
import { median } from "../report/statistics.ts";
import { usageOf } from "./process-usage.ts";
import { dieWithParent } from "./scheduling.ts";
import type { WakeUpWorkerData } from "./wake-ups.ts";

export interface MachineJob {
  measure: "round-trips" | "steps";
  /** Of a server a machine, for those that serve one front-end alone; and the first one's process. */
  socketPaths: string[];
  serverPid: number;
  displayFeatures: number;
  depth: number;
  path: "kernel" | "vmm";
  /** Of each thing that is measured, after as many that warm up. */
  samples: number;
}

const patienceMs = 60_000;
/** How often whether the guest is warm is looked at. */
const lookMs = 5;

dieWithParent();
try {
  const job = JSON.parse(process.argv[2]!) as MachineJob;
  const figures = job.measure === "steps" ? measureSteps(job) : measureRoundTrips(job);
  await Bun.write(Bun.stdout, JSON.stringify(figures));
  process.exit(0);
} catch (error) {
  // Whatever it is, whoever started this process tells it.
  console.error((error as Error).message);
  process.exit(1);
}

function measureRoundTrips(job: MachineJob): Figure[] {
  const { us, exits, interrupts, serverUs } = roundTrips(job);
  const commands = 2 * job.samples * job.depth;
  return [
    job.depth === 1
      ? figure("latency", "µs", "less", us)
      : figure(
          "rate",
          "commands/s",
          "more",
          us.map((batch) => (job.depth * 1e6) / batch),
        ),
    figure("server CPU", "µs/command", "less", [serverUs]),
    figure("exits", "/command", "neither", [exits / commands]),
    figure("interrupts", "/command", "neither", [interrupts / commands]),
  ];
}

/** What one command alone takes, and how much of it is which step. */
function measureSteps(job: MachineJob): Figure[] {
  const { us, interrupts, serverUs } = roundTrips({ ...job, depth: 1, path: "kernel" });
  const { nothing, exit, kick, interrupt, relay, register, driver } = stepTimes(job);
  const cost = (step: number[]): number => Math.max(0, median(step) - median(nothing));
  const trip = median(us);
  const kicked = cost(kick);
  const interrupted = Math.max(0, cost(interrupt) - kicked);
  const wakeUp = Math.max(0, cost(relay) - cost(interrupt));
  // An interrupt has its reason read and acknowledged.
  const registers = (2 * cost(register) * interrupts) / (2 * job.samples);
  const parts: [string, number][] = [
    ["kick", kicked],
    ["wake-up", wakeUp],
    ["command", serverUs],
    ["interrupt and resume", interrupted],
    ["exits to acknowledge it", registers],
    ["the guest's driver", cost(driver)],
  ];
  return [
    figure("round trip", "µs", "less", us),
    figure("exit to the VMM and resume", "µs", "less", [cost(exit)]),
    ...parts.flatMap(([name, value]) => [
      figure(name, "µs", "less", [value]),
      figure(`${name}, share`, "%", "neither", [(100 * value) / trip]),
    ]),
  ];
}

interface RoundTrips {
  us: number[];
  exits: number;
  interrupts: number;
  /** What a command costs the server: processor time of all its threads. */
  serverUs: number;
}

function roundTrips(job: MachineJob): RoundTrips {
  return withMachine(
    job,
    { task: "ROUND_TRIPS", depth: job.depth, path: job.path, count: 2 * job.samples },
    (machine) => {
      const { control, report } = machine;
      while (report.sampleCount < job.samples && machine.end === null) machine.serve(lookMs);
      const [from, before] = [report.sampleCount, usageOf(job.serverPid)];
      const us = measured(machine).slice(job.samples);
      const commands = (2 * job.samples - from) * job.depth;
      return {
        us,
        exits: control.exits("mmio") + control.exits("io"),
        interrupts: report.interrupts,
        serverUs: (usageOf(job.serverPid).cpuNs - before.cpuNs) / 1000 / commands,
      };
    },
  );
}

function stepTimes(job: MachineJob): Record<(typeof steps)[number], number[]> {
  return withMachine(job, { task: "STEPS", count: 2 * job.samples }, (machine) => {
    const workerData: WakeUpWorkerData = {
      role: "answer",
      cpus: [],
      signalFd: machine.relay.kick,
      callFd: machine.relay.call,
      signalledNs: new SharedArrayBuffer(8),
    };
    new Worker(new URL("./wake-up-worker.ts", import.meta.url), { workerData });
    const all = measured(machine);
    const ofStep = (index: number): number[] =>
      all.slice((2 * index + 1) * job.samples, (2 * index + 2) * job.samples);
    return Object.fromEntries(steps.map((step, index) => [step, ofStep(index)])) as Record<
      (typeof steps)[number],
      number[]
    >;
  });
}

/** Its samples in microseconds. */
function measured(machine: Machine): number[] {
  const { ending, sentence } = machine.untilEnd();
  if (ending !== "done") throw new Error(sentence);
  return Array.from(machine.report.samples(), (ticks) => (ticks * 1000) / machine.control.tscKhz);
}

function withMachine<Result>(
  { socketPaths, displayFeatures }: MachineJob,
  options: MachineOptions,
  body: (machine: Machine) => Result,
): Result {
  const machine = Machine.boot(socketPaths.shift()!, {
    display: { features: displayFeatures },
    patienceMs,
    ...options,
  });
  try {
    return body(machine);
  } finally {
    machine.close();
  }
}
