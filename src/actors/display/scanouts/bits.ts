// Sets of scanouts as the bits of a word: bit n for scanout n.

/** The lowest scanout of a set that is not empty. */
export const lowestBit = (set: number): number => 31 - Math.clz32(set & -set);
