// Whether an actor that has a process of its own goes on: one that is inside of a library's call for ever neither dies nor answers,
// and can be ended.

import { Own, type SharedWords } from "../shared-words.ts";

/** How often one looks. Looks are counted, not time: a server that was suspended finds its actors where they were. */
const lookMs = 500;

/** How long a successor's process may take to start: more than ten seconds where the CPU is emulated. */
export const startPatienceMs = (stallMs: number): number => Math.min(60_000, 5 * stallMs);

export class StallWatch {
  private readonly own: Int32Array;
  private readonly counters: Float64Array;
  private readonly looksMax: number;
  private readonly timer: Timer;
  private last = Number.NaN;
  private looks = 0;

  /**
   * Calls `stalled` when the actor of `slot` has neither woken up nor counted anything for `limitMs`. `wake` wakes it: one that has
   * nothing to do is asked before.
   */
  constructor(
    words: SharedWords,
    slot: number,
    limitMs: number,
    private readonly wake: () => void,
    private readonly stalled: () => void,
  ) {
    this.own = words.own(slot);
    this.counters = words.counters(slot);
    this.looksMax = Math.ceil(limitMs / lookMs);
    this.timer = setInterval(() => this.look(), lookMs);
    // It keeps nobody from ending.
    this.timer.unref();
  }

  stop(): void {
    clearInterval(this.timer);
  }

  private look(): void {
    const progress = this.progress();
    // What the actor counts may be no number, if it is somebody else's by now.
    this.looks = Object.is(progress, this.last) ? this.looks + 1 : 0;
    this.last = progress;
    if (this.looks === Math.floor(this.looksMax / 2)) this.wake();
    if (this.looks < this.looksMax) return;
    this.looks = 0;
    this.stalled();
  }

  private progress(): number {
    let sum = Atomics.load(this.own, Own.turns);
    for (const counter of this.counters) sum += counter;
    return sum;
  }
}
