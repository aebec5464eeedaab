// Runs the loads of a round in front of one back-end after the other, and keeps what came of them.

import type { Figure } from "../system/figure.ts";
import type { Failure } from "../system/runner.ts";
import type { Budget } from "../system/stage.ts";
import { figuresOf } from "./figures.ts";
import type { GuestLoad } from "./load.ts";
import { type GuestBackend, GuestSession } from "./session.ts";

/** QEMU's own 3D device wants a render node and a display with GL, so it has no part in loads of GL. */
export const takesPart = ({ backend }: GuestBackend, { kind }: GuestLoad): boolean =>
  kind !== "gl" || backend !== null;

export class Rounds {
  readonly failures: Failure[] = [];
  private readonly figures = new Map<GuestLoad, Map<string, Figure[][]>>();

  constructor(
    loads: readonly GuestLoad[],
    backends: readonly GuestBackend[],
    private readonly budget: Budget,
    /** Ends QEMU, and the run. */
    private readonly signal: AbortSignal,
  ) {
    for (const load of loads) {
      const taking = backends.filter((backend) => takesPart(backend, load));
      this.figures.set(load, new Map(taking.map(({ name }) => [name, []])));
    }
  }

  /** Each round's figures, by back-end. */
  of(load: GuestLoad): ReadonlyMap<string, readonly Figure[][]> {
    return this.figures.get(load)!;
  }

  /** One boot for each kind of load. */
  async run(backend: GuestBackend, onStep: (what: string) => void): Promise<void> {
    for (const kind of ["drawn", "gl"] as const) {
      const loads = [...this.figures.keys()].filter(
        (load) => load.kind === kind && takesPart(backend, load) && !this.hasFailed(load, backend),
      );
      this.signal.throwIfAborted();
      if (loads.length === 0) continue;
      onStep("boots");
      try {
        const session = await GuestSession.start(backend, kind, this.signal);
        await this.runLoads(session, loads, backend, onStep).finally(() => session.stop());
      } catch (error) {
        // A guest that does not come up is told in the report, for each load that it was to have.
        for (const load of loads) this.fail(load, backend, error);
      }
    }
  }

  private async runLoads(
    session: GuestSession,
    loads: readonly GuestLoad[],
    backend: GuestBackend,
    onStep: (what: string) => void,
  ): Promise<void> {
    for (const [index, load] of loads.entries()) {
      onStep(`[${index + 1}/${loads.length}] ${load.name}`);
      try {
        const figures = figuresOf(load, await session.measure(load, this.budget));
        this.figures.get(load)!.get(backend.name)!.push(figures);
      } catch (error) {
        // Told in the report: the other loads and back-ends are measured all the same.
        this.fail(load, backend, error);
      }
    }
  }

  private hasFailed(load: GuestLoad, { name }: GuestBackend): boolean {
    return this.failures.some(({ workload, backend }) => workload === load.name && backend === name);
  }

  private fail(load: GuestLoad, { name }: GuestBackend, error: unknown): void {
    this.signal.throwIfAborted();
    this.failures.push({ workload: load.name, backend: name, reason: (error as Error).message });
  }
}
