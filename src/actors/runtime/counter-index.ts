// An actor names its counters once, in the order in which they lie in shared memory.

/** The index of each counter by its name. */
export function indexesOf<const Name extends string>(names: readonly Name[]): Readonly<Record<Name, number>> {
  return Object.fromEntries(names.map((name, index) => [name, index])) as Record<Name, number>;
}
