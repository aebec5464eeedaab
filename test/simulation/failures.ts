// The seeds that failed: the first of them in words, the others by their number.

/** Where everything fails nobody reads more, and each takes long to be made smaller. */
const toldMax = 10;

/** As JSON has it, from the process of a part. */
export interface Failures {
  count: number;
  readonly told: string[];
}

export const noFailures = (): Failures => ({ count: 0, told: [] });

/** `tell` says what is to be said of one more, in a line: it is only asked where that is told. */
export function addFailure(failures: Failures, tell: () => string): void {
  if (failures.count++ < toldMax) failures.told.push(tell());
}

/** Adds those of later seeds. */
export function addFailures(failures: Failures, { count, told }: Failures): void {
  failures.count += count;
  failures.told.push(...told.slice(0, toldMax - failures.told.length));
}

export function linesOf({ count, told }: Failures): string[] {
  const others = count - told.length;
  return others === 0 ? told : [...told, `and ${others} more seeds that fail`];
}
