// The last crash of each actor: told in the log as it happens, and remembered for whoever looks later.

import type { WorkerName } from "../registry.ts";
import type { LogSink } from "./log-sink.ts";

export interface Crash {
  /** Such as "ended by SIGSEGV amid SUBMIT_3D of context 2". */
  reason: string;
  /** When, in ISO 8601. */
  at: string;
  /** Milliseconds until another one was there; null while none is. */
  backMs: number | null;
}

export class Crashes {
  private readonly last = new Map<WorkerName, Crash & { from: number }>();

  constructor(private readonly log: Pick<LogSink, "write">) {}

  crashed(name: WorkerName, reason: string): void {
    this.log.write("error", name, `crashed: ${reason}`);
    this.last.set(name, { reason, at: new Date().toISOString(), backMs: null, from: performance.now() });
  }

  /** Another one is there. */
  restarted(name: WorkerName): void {
    this.log.write("warning", name, "restarted");
    const crash = this.last.get(name);
    if (crash !== undefined) crash.backMs = Math.round(performance.now() - crash.from);
  }

  of(name: WorkerName): Crash | null {
    const crash = this.last.get(name);
    if (crash === undefined) return null;
    const { reason, at, backMs } = crash;
    return { reason, at, backMs };
  }
}
