// The bytes of the host that one guest's resources take.

export class Budget {
  private taken = 0;

  constructor(readonly max: number) {}

  get used(): number {
    return this.taken;
  }

  hasRoom(bytes: number): boolean {
    return this.taken + bytes <= this.max;
  }

  take(bytes: number): void {
    this.taken += bytes;
  }

  give(bytes: number): void {
    this.taken -= bytes;
  }
}
