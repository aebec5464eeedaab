// A back-end and the guest in front of it, for the loads of one round.

import { mkdtempSync, rmSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { logsPath } from "../../lab/qemu/cache.ts";
import { type ConsoleObserver, observeConsole, type ShownPicture } from "../../lab/qemu/console-observer.ts";
import { until } from "../../lab/qemu/deadline.ts";
import { hostTimes, readClocks } from "../../lab/qemu/guest-clock.ts";
import type { Image } from "../../lab/qemu/image.ts";
import type { Gpu } from "../../lab/qemu/qemu-args.ts";
import { QemuGuest } from "../../lab/qemu/qemu-guest.ts";
import type { ServerProcess } from "../../lab/vmm/server-process.ts";
import { type Backend, start } from "../system/backends.ts";
import type { Budget } from "../system/stage.ts";
import { machineCpuNs, usageOf } from "../system/process-usage.ts";
import { parseLoad } from "./frames.ts";
import { type DrawnLoad, type GlLoad, type GuestLoad, surroundings } from "./load.ts";

/** A back-end, or null where QEMU's own device is the GPU. */
export interface GuestBackend {
  name: string;
  about: string;
  backend: Backend | null;
}

/** What a load came to; times are microseconds of the host. */
export interface Run {
  durationUs: number;
  /** Frames, or whatever the load does. */
  count: number;
  /** The first frame's, as its stamp has it. */
  firstNumber: number;
  /** When each frame was given to the driver; nothing where that was not asked. */
  givenUs: number[];
  pictures: ShownPicture[];
  /** How far the two clocks may be apart. */
  clockErrorUs: number;
  cpu: CpuTime;
}

/** Of processors while a load ran, in nanoseconds. */
export interface CpuTime {
  /** With its guest. */
  qemu: number;
  backend: number;
  /** Bytes that the back-end gave to write system calls. */
  writtenBytes: number;
  /** The share of all processors that went to others than these two; this process is one. */
  othersShare: number;
}

/** Nanoseconds, and bytes, until now. */
interface Used {
  qemu: number;
  backend: number;
  writtenBytes: number;
  /** Of all processes and the kernel. */
  machine: number;
  /** That there were, on all processors. */
  wall: number;
}

function between(from: Used, to: Used): CpuTime {
  const [qemu, backend] = [to.qemu - from.qemu, to.backend - from.backend];
  const others = Math.max(0, to.machine - from.machine - qemu - backend);
  const writtenBytes = to.writtenBytes - from.writtenBytes;
  return { qemu, backend, writtenBytes, othersShare: others / (to.wall - from.wall) };
}

const kernel = "6.12";
const outputs = 2;
/** Until a mode that was just set is on the console, and the guest's own work for it is done. */
const settleMs = 300;
const glTimeoutMs = 60_000;
/** The last picture may come this late, and is wrong otherwise. */
const lastPictureMs = 3_000;

export class GuestSession {
  private shape = "";

  private constructor(
    private readonly guest: QemuGuest,
    private readonly server: ServerProcess | null,
    private readonly observer: ConsoleObserver,
    private readonly directory: string,
  ) {}

  static async start(
    { name, backend }: GuestBackend,
    kind: GuestLoad["kind"],
    signal: AbortSignal,
  ): Promise<GuestSession> {
    const directory = mkdtempSync(join(tmpdir(), "fencepost-bench-"));
    const { renderer, root } = surroundings[kind];
    const server = backend === null ? null : await start(backend, renderer);
    try {
      const gpu: Gpu =
        server === null
          ? { kind: "in-process", outputs }
          : { kind: "vhost-user", socketPath: server.socketPath, outputs };
      const observer = observeConsole(gpu.kind, tracePath(directory), directory);
      const options = { kernel, root, gpu, env: observer.env, extraArgs: observer.extraArgs } as const;
      const guest = await QemuGuest.boot(options, join(logsPath, `bench-${name}`), signal);
      const session = new GuestSession(guest, server, observer, directory);
      await session.prepare(kind);
      return session;
    } catch (error) {
      const log = server?.log().trim().split("\n").slice(-3).join("\n") ?? "";
      await server?.stop();
      rmSync(directory, { recursive: true, force: true });
      throw new Error(`${(error as Error).message}\n${log}`.trim(), { cause: error });
    }
  }

  async stop(): Promise<void> {
    await this.guest.stop();
    await this.server?.stop();
    rmSync(this.directory, { recursive: true, force: true });
  }

  private async prepare(kind: GuestLoad["kind"]): Promise<void> {
    // What the kernel says goes through an emulated serial port, a byte at a time.
    await this.guest.run("sh dmesg -n 1");
    if (kind !== "gl") return;
    // Its libraries come from an emulated disk, which is not what is to be measured.
    await this.guest.run("sh /run/fencepost/fencepost-gl frames 64 64 0 1", glTimeoutMs);
    // The console's text cursor is no part of it either, which not every back-end can show.
    await this.guest.run("sh echo 0 >/sys/class/graphics/fbcon/cursor_blink");
  }

  /** First for compilers and caches, and then measured. */
  async measure(load: GuestLoad, budget: Budget): Promise<Run> {
    return load.kind === "gl" ? await this.runProgram(load, budget) : await this.measureDrawn(load, budget);
  }

  /** The console must show the last frame. */
  private async measureDrawn(load: DrawnLoad, budget: Budget): Promise<Run> {
    await this.show(load);
    await this.guest.run(`spin ${load.busyTasks}`);
    try {
      await this.guest.run(load.command(Math.max(budget.warmMs, load.warmMsMin)));
      const run = await this.run(load, budget.measureMs);
      await this.expectLastFrame(load);
      return run;
    } finally {
      await this.guest.run("spin 0");
    }
  }

  private async runProgram(load: GlLoad, budget: Budget): Promise<Run> {
    this.shape = "";
    this.observer.watch(0, 0);
    let [first, last]: [Used | null, Used | null] = [null, null];
    const pictures: ShownPicture[] = [];
    const lines = await this.guest.run(load.command(budget), glTimeoutMs, (line) => {
      if (first === null && load.from.test(line)) {
        first = this.used();
        this.observer.take();
      } else if (load.to.test(line)) {
        last = this.used();
        pictures.push(...this.observer.take());
      }
    });
    if (first === null || last === null) throw new Error(`the program says: ${lines.join(" ")}`);
    return {
      ...load.parse(lines),
      firstNumber: 0,
      givenUs: [],
      pictures,
      clockErrorUs: 0,
      cpu: between(first, last),
    };
  }

  private async show({ width, height, heads }: DrawnLoad): Promise<void> {
    const shape = `${width} ${height}`;
    if (this.shape !== `${shape} ${heads}`) {
      for (let head = 0; head < outputs; head++)
        await this.guest.run(head < heads ? `pattern ${head} ${shape} ${head}` : `off ${head}`);
      this.shape = `${shape} ${heads}`;
    }
    await Bun.sleep(settleMs);
  }

  private async run(load: DrawnLoad, ms: number): Promise<Run> {
    const before = await readClocks(this.guest, tracePath(this.directory));
    this.observer.watch(...(load.stampAt ?? [0, 0]));
    const used = this.used();
    let usedAfter = used;
    const lines = await this.guest.run(load.command(ms), undefined, (line) => {
      // The load is over; what follows is its report.
      if (line.startsWith("ran ")) usedAfter = this.used();
    });
    const after = await readClocks(this.guest, tracePath(this.directory));
    const { count, firstNumber, startUs, durationUs, givenUs } = parseLoad(lines);
    const host = hostTimes(before, after);
    return {
      durationUs: host(startUs + durationUs) - host(startUs),
      count,
      firstNumber,
      givenUs: givenUs.map((us) => host(startUs + us)),
      // The last ones of what ran before may be on their way.
      pictures: this.observer.take().filter(({ atUs }) => atUs >= host(startUs)),
      clockErrorUs: Math.max(before.errorUs, after.errorUs),
      cpu: between(used, usedAfter),
    };
  }

  private used(): Used {
    const backend = this.server === null ? null : usageOf(this.server.pid);
    return {
      qemu: usageOf(this.guest.pid).cpuNs,
      backend: backend?.cpuNs ?? 0,
      writtenBytes: backend?.writtenBytes ?? 0,
      machine: machineCpuNs(),
      wall: Bun.nanoseconds() * availableParallelism(),
    };
  }

  private async expectLastFrame({ heads }: DrawnLoad): Promise<void> {
    for (let head = 0; head < heads; head++) {
      const [painted] = await this.guest.run(`hash ${head}`);
      const isShown = async () => hashOf(await this.guest.screendump(head)) === painted || undefined;
      await until(`head ${head} to show the last frame that the guest painted`, isShown, lastPictureMs);
    }
  }
}

const tracePath = (directory: string): string => join(directory, "trace.log");

/** As load_hash in lab/guest/load.c. */
function hashOf({ pixels }: Image): string {
  let hash = 0x811c9dc5;
  for (const pixel of pixels) hash = Math.imul(hash ^ pixel, 0x01000193);
  return (hash >>> 0).toString(16);
}
