// What a workload measures with: a booted guest, the display's reader, the server's process, and a budget of time.

import { CommandPipeline } from "../../lab/driver/command-pipeline.ts";
import type { DriverRing } from "../../lab/driver/driver-ring.ts";
import type { SyntheticGuest } from "../../lab/driver/synthetic-guest.ts";
import { Header, Response } from "../../src/transport/wire/virtio-gpu/protocol.ts";
import type { DisplayReader } from "./display-reader.ts";
import type { FenceClock } from "./fence-clock.ts";
import { type Figure, figure } from "./figure.ts";
import { usageOf } from "./process-usage.ts";
import type { Placement } from "./scheduling.ts";

/** Seconds of watching: longer than any answer takes. */
const spinsMax = 1e9;

/** In milliseconds. */
export interface Budget {
  /** Before anything counts: for compilers and caches. */
  warmMs: number;
  measureMs: number;
  /** Length of one sample of a rate. */
  windowMs: number;
}

export interface PipelineSetup {
  ring?: DriverRing;
  depth: number;
  requestBytes: number;
  /** 0: none, as drivers do with cursor commands. */
  responseBytes?: number;
}

/** Repetitions of a piece of work. */
export interface Windows {
  /** Seconds of one unit, by window. */
  seconds: number[];
  /** Of the server, for one unit. */
  cpuUs: number;
  sleeps: number;
  writtenBytes: number;
}

export class Stage {
  /**
   * @param cpus Where both sides were put: the driver watches the used ring all the time, having a processor of its
   * own. With null it sleeps until an interrupt.
   * @param clock For a workload that times fences.
   */
  constructor(
    readonly guest: SyntheticGuest,
    readonly display: DisplayReader,
    readonly budget: Budget,
    readonly serverPid: number,
    readonly cpus: Placement | null,
    readonly clock: FenceClock | null,
  ) {}

  /** Chains on the control ring by default, each with room for a bare header. */
  pipeline({
    ring = this.guest.control.ring,
    depth,
    requestBytes,
    responseBytes,
  }: PipelineSetup): CommandPipeline {
    return new CommandPipeline(ring, this.guest.memory, this.guest.pump, {
      depth,
      requestBytes,
      responseBytes: responseBytes ?? Header.bytes,
      spins: this.cpus === null ? 0 : spinsMax,
    });
  }

  /**
   * Runs `work(count)` again and again: first to warm up, then in windows that are `measured`, for `measureMsMin` at least.
   */
  windows(work: (count: number, measured: boolean) => void, granule = 1, measureMsMin = 0): Windows {
    const { warmMs, windowMs } = this.budget;
    const measureMs = Math.max(this.budget.measureMs, measureMsMin);
    let count = granule;
    const warm = performance.now() + warmMs;
    do {
      const from = Bun.nanoseconds();
      work(count, false);
      const tookMs = (Bun.nanoseconds() - from) / 1e6;
      const wanted = Math.min(count * 4, (count * windowMs) / tookMs);
      count = Math.max(1, Math.round(wanted / granule)) * granule;
    } while (performance.now() < warm);
    const seconds: number[] = [];
    const before = usageOf(this.serverPid);
    const end = performance.now() + measureMs;
    do {
      const from = Bun.nanoseconds();
      work(count, true);
      seconds.push((Bun.nanoseconds() - from) / 1e9 / count);
    } while (performance.now() < end);
    const after = usageOf(this.serverPid);
    const units = seconds.length * count;
    return {
      seconds,
      cpuUs: (after.cpuNs - before.cpuNs) / 1000 / units,
      sleeps: (after.sleeps - before.sleeps) / units,
      writtenBytes: (after.writtenBytes - before.writtenBytes) / units,
    };
  }

  /** Units a second, many in flight, and what each costs the server. A window is a multiple of `granule` units. */
  rate(unit: string, work: (count: number) => void, granule = 1): Figure[] {
    const windows = this.windows(work, granule);
    const rates = windows.seconds.map((one) => 1 / one);
    return [figure("rate", `${unit}s/s`, "more", rates), ...this.cost(unit, windows)];
  }

  /** How long each command takes, one after the other, and what each costs the server. */
  latency(
    unit: string,
    pipeline: CommandPipeline,
    prepare: ((slot: number) => void) | null = null,
  ): Figure[] {
    const samples: number[] = [];
    const windows = this.windows((count, measured) => {
      const ns = new Float64Array(count);
      pipeline.run(count, prepare, ns);
      if (measured) for (const one of ns) samples.push(one / 1000);
    });
    return [figure("latency", "µs", "less", samples), ...this.cost(unit, windows)];
  }

  /** What one unit costs the server. */
  cost(unit: string, { cpuUs, sleeps }: Windows): Figure[] {
    return [
      figure("server CPU", `µs/${unit}`, "less", [cpuUs]),
      figure("server sleeps", `/${unit}`, "neither", [sleeps]),
    ];
  }
}

/** Throws unless every slot's last answer is OK_NODATA. */
export function expectOkAnswers(pipeline: CommandPipeline): void {
  pipeline.responses.forEach((response, slot) => {
    const type = response.data.getUint32(Header.type, true);
    if (type !== Response.OK_NODATA) throw new Error(`command ${slot} was answered 0x${type.toString(16)}`);
  });
}
