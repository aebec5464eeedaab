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
  private readonly regions: (HostSpan | undefined)[];

  constructor(regions: readonly HostSpan[]) {
    const end = regions.reduce((most, region) => Math.max(most, region.end), 0);
    const count = Math.min(Math.ceil(end / windowBytes / 4) * 4, windowsMax);
    this.count = count;
    this.from = new Int32Array(count);
    this.to = new Int32Array(count);
    this.bases = Float64Array.from({ length: count }, (_, window) => window * windowBytes);
    this.regions = Array.from<HostSpan | undefined>({ length: count });
    for (const region of regions) this.add(region);
  }

  /** The region that has most of the window of `address`, a whole number below 2^53; it need not have the address. */
  regionNear(address: number): HostSpan | undefined {
    return this.regions[Math.floor(address * windowScale)];
  }

  private add(region: HostSpan): void {
    const { start, end } = region;
    const past = Math.min(Math.ceil(end / windowBytes), this.count);
    for (let window = Math.floor(start / windowBytes); window < past; window++) {
      const base = this.bases[window]!;
      const from = Math.max(start - base, 0);
      const to = Math.min(end - base, windowBytes);
      if (to - from <= this.to[window]! - this.from[window]!) continue;
      this.from[window] = from;
      this.to[window] = to;
      this.regions[window] = region;
    }
  }
}
