// Lists of numbers that grow, and take no more memory than the numbers.

/** Rows of `width` numbers of 32 bits. */
export class Rows {
  length = 0;
  private words: Uint32Array<ArrayBuffer>;

  constructor(
    private readonly width: number,
    /** Rows beyond are not kept. */
    readonly max: number,
  ) {
    this.words = new Uint32Array(width * 1024);
  }

  /** Returns false where there is no room. */
  add(...numbers: readonly number[]): boolean {
    if (this.length === this.max) return false;
    const at = this.length * this.width;
    if (at === this.words.length) {
      const more = new Uint32Array(2 * at);
      more.set(this.words);
      this.words = more;
    }
    this.words.set(numbers, at);
    this.length++;
    return true;
  }

  at(row: number, column: number): number {
    return this.words[row * this.width + column]!;
  }

  /** How many rows, which ascend in `column`, have less than `limit` there. */
  below(column: number, limit: number): number {
    let [low, high] = [0, this.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.at(middle, column) < limit) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
