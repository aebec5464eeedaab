// The pace at which a recording is played.

export class Pace {
  private readonly began = performance.now();

  constructor(
    private readonly speed: number,
    private readonly first: number,
  ) {}

  msUntil(time: number): number {
    return this.began + (time - this.first) / 1e6 / this.speed - performance.now();
  }
}
