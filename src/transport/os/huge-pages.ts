// Pages of 2 MiB for memory that is written and lent in long pieces. The kernel faults, counts and lends what lies in one
// as one page where it would do so 512 times; on its own it gives shared memory none.

import { asPointer, libc, MADV_COLLAPSE } from "../../ffi/libc.ts";
import { nanoseconds } from "./clock.ts";

export const hugeBytes = 2 * 1024 * 1024;

/** What is less than this short of whole huge pages is made longer. */
const shortBytesMax = hugeBytes / 8;
/** As many as one word has bits; what lies beyond has small pages. */
const chunksMax = 32;
/** For how long the kernel is not asked again when it had none to give. */
const restNs = 1_000_000_000;

let restUntil = 0;

/** `bytes`, or what makes them whole huge pages where that is little more. */
export function roundToHuge(bytes: number): number {
  const whole = Math.ceil(bytes / hugeBytes) * hugeBytes;
  return whole - bytes < shortBytesMax ? whole : bytes;
}

/** The huge pages of one mapping of shared memory, whole and new, at a multiple of {@link hugeBytes}. */
export class HugePages {
  /** Bit n: nothing was written to chunk n yet. */
  private fresh: number;

  constructor(
    private readonly address: number,
    bytes: number,
  ) {
    const chunks = Math.min(chunksMax, Math.floor(bytes / hugeBytes));
    this.fresh = chunks === chunksMax ? -1 : (1 << chunks) - 1;
  }

  /**
   * Bytes from `from` up to `to` are about to be written: all of them or, where that is not `dense`, a few. Chunks of which
   * the first write leaves most alone keep small pages, since a huge one is cleared whole.
   */
  touch(from: number, to: number, dense: boolean): void {
    if (this.fresh === 0) return;
    const last = Math.min(chunksMax - 1, Math.floor((to - 1) / hugeBytes));
    // Neighbours are asked for at once: each call waits for all processors.
    let run = 0;
    for (let chunk = Math.floor(from / hugeBytes); chunk <= last; chunk++) {
      const begin = chunk * hugeBytes;
      const isFresh = (this.fresh & (1 << chunk)) !== 0;
      const written = Math.min(to, begin + hugeBytes) - Math.max(from, begin);
      this.fresh &= ~(1 << chunk);
      if (isFresh && dense && written * 2 >= hugeBytes) run++;
      else run = this.make(chunk, run);
    }
    this.make(last + 1, run);
  }

  /** Has the kernel make `count` of them before chunk `end`, if it will. Returns that none is left to make. */
  private make(end: number, count: number): 0 {
    if (count === 0 || nanoseconds() < restUntil) return 0;
    const first = this.address + (end - count) * hugeBytes;
    // In each there has to be some page for others to join.
    for (let chunk = 0; chunk < count; chunk++) libc.memset(asPointer(first + chunk * hugeBytes), 0, 1);
    const refused = libc.madvise(asPointer(first), count * hugeBytes, MADV_COLLAPSE) !== 0;
    if (refused) restUntil = nanoseconds() + restNs;
    return 0;
  }
}
