// How far the ring has been served, for the cursor queue to see that nothing is outstanding which the guest had sent before.

import { Shelf } from "../manifest.ts";
import type { QueueRunner } from "../../queue/queue-runner.ts";

export class RingProgress {
  private isKnown = false;

  /** `words` are those of the area "cursor-shelf". */
  constructor(
    private readonly words: Int32Array,
    private readonly queue: QueueRunner,
  ) {}

  /**
   * All that was taken has been run. Called at least once for every turn of the indexes, or an index that has come round would
   * look like one that was reached.
   */
  reached(): void {
    const ring = this.queue.served;
    if (ring === null || !ring.isAttached || ring.owed > 0) return this.stopped();
    Atomics.store(this.words, Shelf.reached, ring.position);
    if (this.isKnown) return;
    const { offeredAt } = ring;
    Atomics.store(this.words, Shelf.availLow, offeredAt % 2 ** 32);
    Atomics.store(this.words, Shelf.availHigh, Math.floor(offeredAt / 2 ** 32));
    // 0 is nobody's, and none is a predecessor's.
    this.words[Shelf.lastRun]! += 1;
    Atomics.store(this.words, Shelf.run, this.words[Shelf.lastRun]! || (this.words[Shelf.lastRun] = 1));
    this.isKnown = true;
  }

  /** The ring stops, or may. */
  stopped(): void {
    if (!this.isKnown) return;
    this.isKnown = false;
    Atomics.store(this.words, Shelf.run, 0);
  }
}
