// One server for as long as is asked for: phases in an order by chance, and every minute a look at what it holds.

import { type Chance, chanceOf } from "../fuzz/chance.ts";
import { ServerProcess } from "../vmm/server-process.ts";
import { growth, type Holdings, holdingsOf, settledOf } from "./holdings.ts";
import type { Phase } from "./phase.ts";
import { Stage } from "./stage.ts";

const minuteMs = 60_000;
/** When the baseline is taken, where the run is long enough for that: all that is made once is there then. */
const baselineMinutes = 5;
/** Looks of which the least memory counts. */
const recentLooks = 5;
const logTail = 4_000;

export interface SoakOptions {
  readonly minutes: number;
  readonly seed: number;
  readonly renderer: string;
  /** Flags of the server besides. */
  readonly flags: readonly string[];
  readonly phases: readonly Phase[];
  readonly signal: AbortSignal;
  readonly told: (look: Look) => void;
}

/** How things are at a time. */
export interface Look {
  readonly minutes: number;
  /** Phases that were gone through. */
  readonly rounds: number;
  readonly commands: number;
  readonly frames: number;
  readonly deaths: number;
  readonly slowestMs: number;
  readonly holdings: Holdings;
  /** Null until there is one. */
  readonly baseline: Holdings | null;
}

/** Returns the last lines of the server and, below them, what was wrong first; or null. */
export async function soak(options: SoakOptions): Promise<string | null> {
  const { minutes, seed, renderer, signal } = options;
  const server = await ServerProcess.start({
    args: [
      ...["--isolation", "process", "--renderer", renderer, "--vulkan", "off", "--stall-ms", "5000"],
      ...["--storage-bytes-max", "64M", ...options.flags],
    ],
    signal,
  });
  const run = new Run(server, chanceOf(seed), options);
  const log = (): string => server.log().slice(-logTail);
  try {
    await run.until(performance.now() + minutes * minuteMs);
  } catch (error) {
    // Whatever it is, it is what the run was for: it comes last, where it is seen.
    return `${log()}\n${(error as Error).message}`;
  } finally {
    run.close();
    await server.stop();
  }
  return server.exitCode === 0 ? null : `the server ended with code ${server.exitCode}`;
}

class Run {
  private readonly stage: Stage;
  private readonly start = performance.now();
  private rounds = 0;
  private baseline: Holdings | null = null;
  /** The last looks before this one. */
  private recent: Holdings[] = [];

  constructor(
    private readonly server: ServerProcess,
    private readonly chance: Chance,
    private readonly options: SoakOptions,
  ) {
    this.stage = new Stage(server, chance);
  }

  async until(deadline: number): Promise<void> {
    const { minutes, signal } = this.options;
    const baselineAt = this.start + Math.min(baselineMinutes, minutes / 4) * minuteMs;
    let nextLook = baselineAt;
    this.stage.enter();
    for (let left: Phase[] = []; performance.now() < deadline && !signal.aborted;) {
      if (left.length === 0) left = shuffled(this.chance, this.possible());
      await this.go(left.pop()!);
      if (performance.now() < nextLook) continue;
      await this.look(true);
      nextLook += minuteMs;
    }
    await this.look(this.baseline === null);
  }

  close(): void {
    this.stage.close();
  }

  private possible(): readonly Phase[] {
    const has3d = this.options.renderer === "virgl";
    return this.options.phases.filter(({ is3d }) => is3d !== true || has3d);
  }

  private async go(phase: Phase): Promise<void> {
    if (phase.kills !== undefined && !this.stage.obituary.mayDie(phase.kills)) return;
    try {
      await phase.run(this.stage);
      // Signals are looked at, and a server that has ended shows.
      await Bun.sleep(0);
    } catch (error) {
      const { message } = error as Error;
      const why = this.server.exitCode === null ? "" : `; the server ended with code ${this.server.exitCode}`;
      throw new Error(`round ${this.rounds} of seed ${this.options.seed}, ${phase.name}: ${message}${why}`, {
        cause: error,
      });
    }
    this.rounds++;
  }

  /** Another front-end each time, so that the same is there. */
  private async look(mayBeBaseline: boolean): Promise<void> {
    const { stage, server } = this;
    stage.leave();
    stage.enter();
    await stage.untilAllAreBack();
    const holdings = await holdingsOf(server);
    if (mayBeBaseline) this.baseline ??= holdings;
    const { commands, frames, obituary } = stage;
    this.options.told({
      minutes: (performance.now() - this.start) / minuteMs,
      rounds: this.rounds,
      commands,
      frames,
      deaths: obituary.deaths,
      slowestMs: obituary.slowestMs,
      holdings,
      baseline: this.baseline,
    });
    const settled = settledOf(this.recent, holdings);
    this.recent = [...this.recent, holdings].slice(1 - recentLooks);
    const grown = this.baseline === null ? "" : growth(this.baseline, settled);
    if (grown !== "") throw new Error(`the server holds more than before: ${grown}`);
  }
}

function shuffled(chance: Chance, list: readonly Phase[]): Phase[] {
  const left = [...list];
  return list.map(() => left.splice(chance(left.length), 1)[0]!);
}
