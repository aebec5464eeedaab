// Ranges that do not overlap, of a shared memory region (virtio 1.3 §2.10).

/** In bytes, from the region's beginning on. */
export interface Range {
  readonly offset: number;
  readonly bytes: number;
}

export class Ranges<One extends Range> {
  /** By offset. */
  private readonly sorted: One[] = [];
  private sum = 0;

  get count(): number {
    return this.sorted.length;
  }

  /** Of all of them. */
  get bytes(): number {
    return this.sum;
  }

  all(): readonly One[] {
    return this.sorted;
  }

  /** The one that begins at `offset`. */
  at(offset: number): One | undefined {
    const one = this.sorted[this.indexOf(offset)];
    return one?.offset === offset ? one : undefined;
  }

  /** The first one that has some of these bytes. */
  overlapping(offset: number, bytes: number): One | undefined {
    const index = this.indexOf(offset);
    const before = this.sorted[index - 1];
    if (before !== undefined && before.offset + before.bytes > offset) return before;
    const next = this.sorted[index];
    return next !== undefined && next.offset < offset + bytes ? next : undefined;
  }

  /** Adds one that overlaps no other. */
  add(one: One): void {
    this.sorted.splice(this.indexOf(one.offset), 0, one);
    this.sum += one.bytes;
  }

  /** Removes one that is there. */
  remove(one: One): void {
    this.sorted.splice(this.indexOf(one.offset), 1);
    this.sum -= one.bytes;
  }

  clear(): void {
    this.sorted.length = 0;
    this.sum = 0;
  }

  /** Of the first that begins at `offset` or behind it. */
  private indexOf(offset: number): number {
    let low = 0;
    for (let high = this.sorted.length; low < high;) {
      const middle = (low + high) >>> 1;
      if (this.sorted[middle]!.offset < offset) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
