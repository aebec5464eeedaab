// A guest's own pace: sleeps until what comes next is due. A guest that was late does not hurry afterwards.

export class Beat {
  private due = 0;

  constructor(private readonly perSecond: number) {}

  /** Waits for the next one of `count` that come together. */
  wait(count: number): void {
    const left = this.due - performance.now();
    if (left > 0) Bun.sleepSync(left);
    this.due = Math.max(this.due, performance.now()) + (1000 * count) / this.perSecond;
  }
}
