// The last so many of something, by numbers that only grow: what is old goes, and nothing else moves.

export class Ring<T> {
  private readonly kept: T[] = [];
  /** How many there have been: the number of the next. */
  end = 0;

  constructor(private readonly max: number) {}

  /** The number of the oldest that is kept. */
  get first(): number {
    return this.end - this.kept.length;
  }

  get length(): number {
    return this.kept.length;
  }

  push(one: T): void {
    if (this.kept.length < this.max) this.kept.push(one);
    else this.kept[this.end % this.max] = one;
    this.end++;
  }

  /** The one with that number; undefined where it is gone, or yet to come. */
  at(number: number): T | undefined {
    return number < this.first || number >= this.end ? undefined : this.kept[number % this.max];
  }

  /** Puts `one` in the place of the one with that number, which is kept. */
  replace(number: number, one: T): void {
    this.kept[number % this.max] = one;
  }

  clear(): void {
    this.kept.length = 0;
    this.end = 0;
  }

  /** Oldest first. */
  *[Symbol.iterator](): Iterator<T> {
    for (let number = this.first; number < this.end; number++) yield this.kept[number % this.max]!;
  }
}
