// Guest-physical memory in windows of one GiB: a table by an address's high bits in place of a search, so that addresses
// which jump between regions cost no more than those that stay in one.

/** An address's place within its window, and what it is multiplied with to get the window. */
export const windowMask = 0x3fff_ffff;
const windowBytes = 2 ** 30;
const windowScale = 2 ** -30;
/** What lies above 4 TiB is searched for. */
const windowsMax = 4096;

/** A region as the windows know it: its addresses in the guest, and where it begins here. */
export interface HostSpan {
  readonly start: number;
  readonly end: number;
  readonly host: number;
}

/** Each window knows one region, that which has the most of it; of an empty one all comparisons fail. */
export class MemoryWindows {
  /** Multiple of four, so that an address's high word alone tells whether it is in the table. */
  readonly count: number;
  /** The region's part of the window, as offsets from its beginning: integers, at most 2^30. */
  readonly from: Int32Array;
  readonly to: Int32Array;
  /** Where the window begins in the guest. */
  readonly bases: Float64Array;
  /** The whole region in the guest, and what is added to an address in it to get the host's. */
  private readonly starts: Float64Array;
  private readonly ends: Float64Array;
  private readonly shifts: Float64Array;

  constructor(regions: readonly HostSpan[]) {
    const end = regions.reduce((most, region) => Math.max(most, region.end), 0);
    const count = Math.min(Math.ceil(end / windowBytes / 4) * 4, windowsMax);
    this.count = count;
    this.from = new Int32Array(count);
    this.to = new Int32Array(count);
    this.bases = Float64Array.from({ length: count }, (_, window) => window * windowBytes);
    this.starts = new Float64Array(count).fill(Infinity);
    this.ends = new Float64Array(count);
    this.shifts = new Float64Array(count);
    for (const region of regions) this.add(region);
  }

  /** The window of `address`, a whole number below 2^54; -1 where the table has none of that region. */
  find(address: number): number {
    const window = (address * windowScale) | 0;
    return window < this.count && address >= this.starts[window]! && address < this.ends[window]!
      ? window
      : -1;
  }

  /** The host's address of one that was found in `window`. */
  host(window: number, address: number): number {
    return address + this.shifts[window]!;
  }

  /** Bytes from an address that was found in `window` to the end of its region. */
  left(window: number, address: number): number {
    return this.ends[window]! - address;
  }

  private add({ start, end, host }: HostSpan): void {
    const past = Math.min(Math.ceil(end / windowBytes), this.count);
    for (let window = Math.floor(start / windowBytes); window < past; window++) {
      const base = this.bases[window]!;
      const from = Math.max(start - base, 0);
      const to = Math.min(end - base, windowBytes);
      if (to - from <= this.to[window]! - this.from[window]!) continue;
      this.from[window] = from;
      this.to[window] = to;
      this.starts[window] = start;
      this.ends[window] = end;
      this.shifts[window] = host - start;
    }
  }
}
