// What other actors ask of the ctrl queue, in the guest's order: work that waits until the commands have run that the
// guest had sent before it was asked for.

import type { Position } from "../../../transport/virtio/ring.ts";
import type { QueueRunner } from "../../queue/queue-runner.ts";
import type { RingProgress } from "./ring-progress.ts";

interface Waiting {
  /** The avail index at the time of asking: commands before it come first. */
  after: number;
  work: () => void;
}

export class AfterCommands {
  private waiting: Waiting[] = [];

  constructor(
    private readonly queue: QueueRunner,
    private readonly progress: RingProgress,
  ) {}

  /** Does `work` once every command that already waits has been run. */
  run(work: () => void): void {
    this.waiting.push({ after: this.queue.served?.offered() ?? 0, work });
    this.serve();
  }

  /** Does what is due. Called whenever the queue has made progress. */
  serve(): void {
    this.progress.reached();
    while (this.waiting.length > 0 && this.hasTaken(this.waiting[0]!.after)) {
      this.waiting.shift()!.work();
    }
  }

  /** Does everything: the ring stops, and its next indexes have nothing to do with those that were waited for. */
  finish(): void {
    this.progress.stopped();
    for (const { work } of this.waiting.splice(0)) work();
  }

  /** Whether every command before `position` has been taken, or never will be. */
  private hasTaken(position: Position): boolean {
    const { served } = this.queue;
    return served === null || served.isBroken || served.hasTaken(position);
  }
}
