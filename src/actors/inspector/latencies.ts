// How long commands take, by queue and type: counted in buckets, a few nanoseconds a command, and never forgotten. These
// twenty lines count a time in one store, and are drawn as they are; of what hdr-histogram-js can do beside nothing is needed.

import { requestName } from "../../transport/wire/virtio-gpu/decode.ts";
import { Response } from "../../transport/wire/virtio-gpu/protocol.ts";
import { Field, RecordKind } from "../runtime/tap/layout.ts";
import { otherKinds, untoldKindOf } from "../runtime/tap/thinning.ts";
import type { LatencyRecord } from "./feed.ts";
import { type History, kindIn, slotIn } from "./history.ts";
import type { TapReader } from "./tap-reader.ts";

/** Buckets an octave: a bound is at most 4.5 % above what is in it. */
const perOctave = 16;
const buckets = 40 * perOctave;
/** As they are drawn. */
const coarsePerOctave = 4;
/** Types of which each queue is given a table: a guest can invent as many as it likes. */
const typesMax = 64;
/** Commands whose beginning is remembered, a power of two. */
const underWay = 65536;

class Histogram {
  readonly counts = new Uint32Array(buckets);
  count = 0;
  errors = 0;
  bytes = 0;
  maxNs = 0;

  add(ns: number, isError: boolean, bytes: number): void {
    this.count++;
    this.bytes += bytes;
    if (isError) this.errors++;
    if (ns > this.maxNs) this.maxNs = ns;
    this.counts[Math.min(buckets - 1, Math.max(0, Math.floor(Math.log2(ns + 1) * perOctave)))]!++;
  }

  /** The counts, four buckets an octave, up to the last that has some. */
  coarse(): number[] {
    const step = perOctave / coarsePerOctave;
    const sums = Array.from({ length: buckets / step }, (_, at) =>
      this.counts.subarray(at * step, (at + 1) * step).reduce((sum, count) => sum + count, 0),
    );
    return sums.slice(0, sums.findLastIndex((count) => count > 0) + 1);
  }

  quantile(part: number): number {
    let left = Math.ceil(this.count * part);
    for (let bucket = 0; bucket < buckets; bucket++) {
      left -= this.counts[bucket]!;
      if (left <= 0) return Math.min(this.maxNs, Math.round(2 ** ((bucket + 1) / perOctave)) - 1);
    }
    return this.maxNs;
  }
}

interface Queue {
  readonly numbers: Uint32Array;
  readonly takenNs: Float64Array;
  readonly types: Uint32Array;
  readonly bytes: Uint32Array;
  readonly histograms: Map<number, Histogram>;
}

export class Latencies {
  private readonly queues = new Map<number, Queue>();

  constructor(
    private readonly history: History,
    private readonly readers: readonly TapReader[],
  ) {}

  /** Takes the kept record at word `at`. */
  add(at: number): void {
    const { words } = this.history;
    const kind = kindIn(words[at]!);
    if (kind !== RecordKind.taken && kind !== RecordKind.completed) return;
    const queue = this.queueOf(slotIn(words[at]!));
    const number = words[at + Field.command]!;
    const entry = number % underWay;
    if (kind === RecordKind.taken) {
      queue.numbers[entry] = number;
      queue.takenNs[entry] = this.history.timeAt(at);
      queue.bytes[entry] = words[at + 4]!;
      queue.types[entry] = words[at + 4]! < 4 ? 0 : words[at + Field.request]!;
    } else if (queue.numbers[entry] === number) {
      const ns = this.history.timeAt(at) - queue.takenNs[entry]!;
      const isError = words[at + 4]! >= Response.ERR_UNSPEC;
      histogramOf(queue, queue.types[entry]!).add(ns, isError, queue.bytes[entry]!);
    }
  }

  /** Counts have those commands that were not told; quantiles, errors and bytes are of those that were. */
  tell(): LatencyRecord[] {
    return [...this.queues].flatMap(([slot, { histograms }]) => {
      const reader = this.readers[slot]!;
      if (reader.untoldOf(otherKinds) > 0) histogramOf(this.queues.get(slot)!, 0);
      const untoldOf = (type: number): number => {
        const kind = untoldKindOf(type);
        return kind === otherKinds && type !== 0 ? 0 : reader.untoldOf(kind);
      };
      return [...histograms].map(([type, one]) => ({
        queue: reader.actor,
        type: type === 0 ? "others" : requestName(type),
        ...{ count: one.count + untoldOf(type), errors: one.errors, bytes: one.bytes },
        buckets: one.coarse(),
        ...{ p50Ns: one.quantile(0.5), p99Ns: one.quantile(0.99), maxNs: one.maxNs },
      }));
    });
  }

  private queueOf(slot: number): Queue {
    const known = this.queues.get(slot);
    if (known !== undefined) return known;
    const queue = {
      numbers: new Uint32Array(underWay),
      takenNs: new Float64Array(underWay),
      types: new Uint32Array(underWay),
      bytes: new Uint32Array(underWay),
      histograms: new Map<number, Histogram>(),
    };
    this.queues.set(slot, queue);
    return queue;
  }
}

function histogramOf({ histograms }: Queue, type: number): Histogram {
  const known = histograms.get(type);
  if (known !== undefined) return known;
  const key = histograms.size < typesMax ? type : 0;
  const made = histograms.get(key) ?? new Histogram();
  histograms.set(key, made);
  return made;
}
