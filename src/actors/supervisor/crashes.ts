// The crashes of each actor: told in the log as they happen; the last, and how many there were, in a row and in all, remembered.

import type { WorkerName } from "../registry.ts";
import type { LogSink } from "./log-sink.ts";

export interface Crash {
  /** Such as "ended by SIGSEGV amid SUBMIT_3D of context 2 (kmscube)": what stands in brackets is the guest's own text. */
  reason: string;
  /** When, in ISO 8601. */
  at: string;
  /** Milliseconds until another one was there; null while none is. */
  backMs: number | null;
}

export class Crashes {
  private readonly last = new Map<WorkerName, Crash & { from: number }>();
  /** Those of which none was forgiven. */
  private readonly rows = new Map<WorkerName, { count: number; readonly from: number }>();

  private readonly counts = new Map<WorkerName, number>();

  constructor(private readonly log: Pick<LogSink, "write">) {}

  crashed(name: WorkerName, reason: string): void {
    this.log.write("error", name, `crashed: ${reason}`);
    this.last.set(name, { reason, at: new Date().toISOString(), backMs: null, from: performance.now() });
    this.counts.set(name, this.count(name) + 1);
    const row = this.rows.get(name) ?? { count: 0, from: performance.now() };
    row.count++;
    this.rows.set(name, row);
  }

  /** A successor knows what the guest calls the context of the command that its predecessor died amid. */
  nameContext(actor: WorkerName, context: number, name: string): void {
    const crash = this.last.get(actor);
    if (crash?.reason.endsWith(` of context ${context}`) === true) crash.reason += ` (${name})`;
  }

  /** All since the server has started. */
  count(name: WorkerName): number {
    return this.counts.get(name) ?? 0;
  }

  /** An actor that was restarted has lived long enough for those before not to count. */
  forgive(name: WorkerName): void {
    this.rows.delete(name);
  }

  /** Why the device cannot go on without an actor that has crashed, and what may help. */
  story(name: WorkerName): string {
    const { count, from } = this.rows.get(name)!;
    const seconds = ((performance.now() - from) / 1000).toFixed(1);
    const often = count === 1 ? "" : ` ${count} times in ${seconds} s, the last time`;
    return `the ${name} actor crashed${often}: ${this.last.get(name)!.reason}. ${wayOut(name)}`;
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

function wayOut(name: WorkerName): string {
  const without3d = name === "ctrl-queue" ? "--renderer software leaves out 3D, and " : "";
  return `Start the server and its VM again; where it goes on, ${without3d}--record FILE keeps what a report needs`;
}
