// What the device took of the host, once a second, and how often it was woken and has interrupted the guest.

import { signal } from "@preact/signals";
import type { Batch } from "../feed.ts";
import type { LoadRecord } from "../load-feed.ts";

/** A minute of one record a second. */
const samplesMax = 61;

/** Of one queue, a second, oldest first; interrupts are for each command. */
export interface QueueLoad {
  interrupts: number[];
  wakeUps: number[];
}

export class LoadHistory {
  /** Changes with each sample. */
  readonly version = signal(0);
  private samples: LoadRecord[] = [];

  take({ load }: Batch): void {
    if (load === undefined) return;
    this.samples.push(load);
    if (this.samples.length > samplesMax) this.samples.shift();
    this.version.value++;
  }

  /** Nothing is known of what was before. */
  forget(): void {
    this.samples = [];
    this.version.value++;
  }

  get last(): LoadRecord | undefined {
    return this.samples.at(-1);
  }

  values(of: (load: LoadRecord) => number): number[] {
    return this.samples.map(of);
  }

  /** Of all threads, a second. */
  wakeUps(): number[] {
    return this.pairs().map(([was, is]) => ((is.wakeUps - was.wakeUps) >>> 0) / secondsOf(was, is));
  }

  queue(name: string): QueueLoad {
    const load: QueueLoad = { interrupts: [], wakeUps: [] };
    for (const [was, is] of this.pairs()) {
      const before = was.queues.find(({ queue }) => queue === name);
      const now = is.queues.find(({ queue }) => queue === name);
      if (before === undefined || now === undefined) continue;
      const commands = now.commands - before.commands;
      load.interrupts.push(commands <= 0 ? 0 : (now.interrupts - before.interrupts) / commands);
      load.wakeUps.push(Math.max(0, now.wakeUps - before.wakeUps) / secondsOf(was, is));
    }
    return load;
  }

  private pairs(): [LoadRecord, LoadRecord][] {
    return this.samples.slice(1).map((is, index) => [this.samples[index]!, is]);
  }
}

const secondsOf = (was: LoadRecord, is: LoadRecord): number => (is.ns - was.ns) / 1e9;
