// A back-end and the guest in front of it, for the loads of one round.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Root, logsPath } from "../../lab/qemu/cache.ts";
import { type ConsoleObserver, observeConsole, type ShownPicture } from "../../lab/qemu/console-observer.ts";
import { until } from "../../lab/qemu/deadline.ts";
import { hostTimes, readClocks } from "../../lab/qemu/guest-clock.ts";
import type { Image } from "../../lab/qemu/image.ts";
import type { Gpu } from "../../lab/qemu/qemu-args.ts";
import { QemuGuest } from "../../lab/qemu/qemu-guest.ts";
import type { ServerProcess } from "../../lab/vmm/server-process.ts";
import { type Backend, type Renderer, start } from "../system/backends.ts";
import type { Budget } from "../system/stage.ts";
import { usageOf } from "../system/process-usage.ts";
import { parseLoad } from "./frames.ts";
import type { GuestLoad } from "./load.ts";

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
  /** When each frame was given to the driver; nothing where that was not asked. */
  givenUs: number[];
  pictures: ShownPicture[];
  /** How far the two clocks may be apart. */
  clockErrorUs: number;
  /** CPU time in nanoseconds while the load ran, of QEMU with its guest and of the back-end. */
  cpuNs: { qemu: number; backend: number };
}

const kernel = "6.12";
const outputs = 2;
/** Until a mode that was just set is on the console, and the guest's own work for it is done. */
const settleMs = 300;
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
    renderer: Renderer,
    root: Root,
    signal: AbortSignal,
  ): Promise<GuestSession> {
    const directory = mkdtempSync(join(tmpdir(), "fencepost-bench-"));
    const server = backend === null ? null : await start(backend, renderer);
    try {
      const gpu: Gpu =
        server === null
          ? { kind: "in-process", outputs }
          : { kind: "vhost-user", socketPath: server.socketPath, outputs };
      const observer = observeConsole(gpu.kind, tracePath(directory), directory);
      const options = { kernel, root, gpu, env: observer.env, extraArgs: observer.extraArgs } as const;
      const guest = await QemuGuest.boot(options, join(logsPath, `bench-${name}`), signal);
      return new GuestSession(guest, server, observer, directory);
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

  /** Runs the load twice, for compilers and caches and then measured; the console must show its last frame. */
  async measure(load: GuestLoad, budget: Budget): Promise<Run> {
    await this.show(load);
    await this.guest.run(`spin ${load.busyTasks}`);
    try {
      await this.guest.run(load.command(budget.warmMs));
      const run = await this.run(load, budget.measureMs);
      await this.expectLastFrame(load);
      return run;
    } finally {
      await this.guest.run("spin 0");
    }
  }

  private async show({ width, height, heads }: GuestLoad): Promise<void> {
    const shape = `${width} ${height}`;
    if (this.shape !== `${shape} ${heads}`) {
      for (let head = 0; head < outputs; head++)
        await this.guest.run(head < heads ? `pattern ${head} ${shape} ${head}` : `off ${head}`);
      this.shape = `${shape} ${heads}`;
    }
    await Bun.sleep(settleMs);
  }

  private async run(load: GuestLoad, ms: number): Promise<Run> {
    const before = await readClocks(this.guest, tracePath(this.directory));
    this.observer.watch(...(load.stampAt ?? [0, 0]));
    const used = this.cpu();
    let usedAfter = used;
    const lines = await this.guest.run(load.command(ms), undefined, (line) => {
      // The load is over; what follows is its report.
      if (line.startsWith("ran ")) usedAfter = this.cpu();
    });
    const after = await readClocks(this.guest, tracePath(this.directory));
    const { count, startUs, durationUs, givenUs } = parseLoad(lines);
    const host = hostTimes(before, after);
    return {
      durationUs: host(startUs + durationUs) - host(startUs),
      count,
      givenUs: givenUs.map((us) => host(startUs + us)),
      pictures: this.observer.take(),
      clockErrorUs: Math.max(before.errorUs, after.errorUs),
      cpuNs: { qemu: usedAfter.qemu - used.qemu, backend: usedAfter.backend - used.backend },
    };
  }

  private cpu(): Run["cpuNs"] {
    return {
      qemu: usageOf(this.guest.pid).cpuNs,
      backend: this.server === null ? 0 : usageOf(this.server.pid).cpuNs,
    };
  }

  private async expectLastFrame({ heads }: GuestLoad): Promise<void> {
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
