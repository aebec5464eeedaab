// What the totals of each queue and command type were, once a second, and so how many there were each second.

import { signal } from "@preact/signals";
import type { Batch, LatencyRecord } from "../feed.ts";

/** A minute of one record a second. */
const samplesMax = 61;

export interface Rates {
  /** A second, oldest first. */
  commands: number[];
  bytes: number[];
  errors: number[];
}

type Totals = Pick<LatencyRecord, "count" | "bytes" | "errors">;

interface Sample {
  ns: number;
  totals: ReadonlyMap<string, Totals>;
}

export const keyOf = ({ queue, type }: LatencyRecord): string => `${queue} ${type}`;

const none: Totals = { count: 0, bytes: 0, errors: 0 };

export class LatencyHistory {
  /** Changes with each sample. */
  readonly version = signal(0);
  private samples: Sample[] = [];

  take({ ns, latency }: Batch): void {
    if (latency === undefined) return;
    const totals = new Map<string, Totals>(latency.map((one) => [keyOf(one), one]));
    for (const one of latency) {
      for (const key of ["", one.queue]) {
        const { count, bytes, errors } = totals.get(key) ?? none;
        totals.set(key, { count: count + one.count, bytes: bytes + one.bytes, errors: errors + one.errors });
      }
    }
    this.samples.push({ ns, totals });
    if (this.samples.length > samplesMax) this.samples.shift();
    this.version.value++;
  }

  /** Nothing is known of what was before. */
  forget(): void {
    this.samples = [];
    this.version.value++;
  }

  /** Of `key`, which is a queue and type, a queue alone, or "" for everything. */
  rates(key: string): Rates {
    const rates: Rates = { commands: [], bytes: [], errors: [] };
    for (let index = 1; index < this.samples.length; index++) {
      const [before, now] = [this.samples[index - 1]!, this.samples[index]!];
      const seconds = (now.ns - before.ns) / 1e9;
      const [was, is] = [before.totals.get(key) ?? none, now.totals.get(key) ?? none];
      rates.commands.push((is.count - was.count) / seconds);
      rates.bytes.push((is.bytes - was.bytes) / seconds);
      rates.errors.push((is.errors - was.errors) / seconds);
    }
    return rates;
  }
}
