// How much of a flood is told: so much at once, and in the long run so much a turn.

export class Allowance {
  private left: number;

  /** `burst`: what may come at once after a rest. `steady`: what each turn adds. */
  constructor(
    private readonly burst: number,
    private readonly steady: number,
  ) {
    this.left = burst;
  }

  /** A turn has passed. */
  replenish(): void {
    this.left = Math.min(this.burst, this.left + this.steady);
  }

  get isSpent(): boolean {
    return this.left === 0;
  }

  /** Takes one of what is left; returns false where nothing is. */
  take(): boolean {
    if (this.left === 0) return false;
    this.left--;
    return true;
  }
}
