// Deadlines of an actor that blocks in epoll_wait, where the event loop's timers do not run.

import { milliseconds } from "../../transport/os/clock.ts";

interface Timer {
  at: number;
  run: () => void;
}

/** Milliseconds of a clock that never goes back. */
export const now = milliseconds;

/** As {@link Timers.after}, for whoever has the engine's event loop. */
export function afterInEventLoop(ms: number, run: () => void): () => void {
  const timer = setTimeout(run, ms);
  return () => clearTimeout(timer);
}

/** Whether `promise` settles within `ms`, for the same. */
export async function settlesWithin(promise: Promise<unknown>, ms: number): Promise<boolean> {
  const late = Promise.withResolvers<boolean>();
  const cancel = afterInEventLoop(ms, () => late.resolve(false));
  const isInTime = await Promise.race([promise.then(() => true), late.promise]);
  cancel();
  return isInTime;
}

export class Timers {
  private readonly timers = new Set<Timer>();

  /** Runs `run` once after `ms`. Returns a function that cancels it. */
  after(ms: number, run: () => void): () => void {
    const timer = { at: now() + ms, run };
    this.timers.add(timer);
    return () => this.timers.delete(timer);
  }

  /** Milliseconds until the next deadline, rounded up; -1 when there is none. */
  timeout(): number {
    if (this.timers.size === 0) return -1;
    let next = Infinity;
    for (const timer of this.timers) next = Math.min(next, timer.at);
    return Math.max(0, Math.ceil(next - now()));
  }

  runDue(): void {
    if (this.timers.size === 0) return;
    const at = now();
    for (let due = this.firstDue(at); due !== null; due = this.firstDue(at)) {
      this.timers.delete(due);
      due.run();
    }
  }

  /** Of those whose deadline is over, the one that has waited longest. */
  private firstDue(at: number): Timer | null {
    let first: Timer | null = null;
    for (const timer of this.timers) {
      if (timer.at <= at && (first === null || timer.at < first.at)) first = timer;
    }
    return first;
  }
}
