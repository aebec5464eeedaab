// The VMM's end of the display socket in a thread of its own, so that reading pixels does not sit on the driver's.

import { Worker } from "node:worker_threads";
import { socketPair } from "../../src/transport/os/unix-socket.ts";
import type { DisplayPeerOptions } from "../../lab/vmm/display-options.ts";

/** Words that both threads see. */
export const Word = {
  /** 1 while the reader shall read. */
  wanted: 0,
  /** 1 while it does. */
  reading: 1,
  /** Rises, and is notified, whenever something was read. */
  progress: 2,
  count: 3,
} as const;

/** Doubles that both threads see. */
export const Total = {
  /** Bytes of pixels. */
  pixelBytes: 0,
  /** CURSOR_POS, CURSOR_POS_HIDE and CURSOR_UPDATE messages. */
  cursorMessages: 1,
  count: 2,
} as const;

export interface DisplayWorkerData {
  fd: number;
  words: SharedArrayBuffer;
  totals: SharedArrayBuffer;
  options: DisplayPeerOptions;
}

export class DisplayReader {
  /** The back-end's end. */
  readonly fd: number;
  private readonly words = new Int32Array(new SharedArrayBuffer(4 * Word.count));
  private readonly totals = new Float64Array(new SharedArrayBuffer(8 * Total.count));

  constructor(options: DisplayPeerOptions) {
    const [ours, theirs] = socketPair("stream");
    this.fd = theirs;
    const data: DisplayWorkerData = {
      fd: ours,
      words: this.words.buffer as SharedArrayBuffer,
      totals: this.totals.buffer as SharedArrayBuffer,
      options,
    };
    new Worker(new URL("./display-worker.ts", import.meta.url), { workerData: data });
    this.resume();
  }

  get pixelBytes(): number {
    return this.totals[Total.pixelBytes]!;
  }

  get cursorMessages(): number {
    return this.totals[Total.cursorMessages]!;
  }

  /** Stops reading, as a VMM does that hangs. */
  stall(): void {
    this.want(0);
  }

  resume(): void {
    this.want(1);
  }

  /** Sleeps until `reached` returns true or the time is over; returns whether it did. */
  waitUntil(reached: () => boolean, timeoutMs: number): boolean {
    const deadline = performance.now() + timeoutMs;
    for (;;) {
      const seen = Atomics.load(this.words, Word.progress);
      if (reached()) return true;
      const leftMs = deadline - performance.now();
      if (leftMs <= 0) return false;
      Atomics.wait(this.words, Word.progress, seen, leftMs);
    }
  }

  private want(reading: 0 | 1): void {
    Atomics.store(this.words, Word.wanted, reading);
    if (!this.waitUntil(() => Atomics.load(this.words, Word.reading) === reading, 10_000)) {
      throw new Error("the display's thread does not answer");
    }
  }
}
