// Chance that a seed decides, and what it makes of bytes.

/** Returns a whole number from 0 to below `end`. */
export type Chance = (end: number) => number;

/** A generator of 32 bits (mulberry32), so that a seed says all. */
export function chanceOf(seed: number): Chance {
  let state = seed;
  return (end) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % end;
  };
}

/** That of input `number` of a seed: it is the same whichever inputs came before. */
export const chanceOfInput = (seed: number, number: number): Chance =>
  chanceOf(Math.imul(seed, 0x9e37_79b1) ^ Math.imul(number + 1, 0x85eb_ca6b));

export const pick = <T>(chance: Chance, list: readonly T[]): T => list[chance(list.length)]!;

export const oneIn = (chance: Chance, times: number): boolean => chance(times) === 0;

/** What bounds, signs and counts break at. */
const edges = [
  0, 1, 2, 3, 4, 7, 15, 16, 17, 31, 32, 63, 64, 255, 256, 4095, 4096, 0x7fff, 0x8000, 0xffff, 0x1_0000,
  0x7fff_ffff, 0x8000_0000, 0xffff_f000, 0xffff_fff0, 0xffff_ffff,
];

/** 32 bits: an edge, or anything. */
export const word = (chance: Chance): number => (oneIn(chance, 3) ? chance(2 ** 32) : pick(chance, edges));

/** `usual`, or once in `times` a {@link word}. */
export const odd = (chance: Chance, usual: number, times = 12): number =>
  oneIn(chance, times) ? word(chance) : usual;

/** A copy of `bytes` with a few things wrong: bits, bytes, words, places, and how long it is. */
export function mutated(chance: Chance, bytes: Uint8Array, lengthMax = 4096): Uint8Array<ArrayBuffer> {
  let changed = new Uint8Array(bytes);
  for (let left = 1 + chance(3); left > 0; left--) changed = change(chance, changed, lengthMax);
  return changed;
}

function change(chance: Chance, bytes: Uint8Array<ArrayBuffer>, lengthMax: number): Uint8Array<ArrayBuffer> {
  const { length } = bytes;
  if (length === 0) return Uint8Array.from({ length: chance(64) }, () => chance(256));
  const at = chance(length);
  switch (chance(8)) {
    case 0:
      bytes[at]! ^= 1 << chance(8);
      return bytes;
    case 1:
      bytes[at] = chance(256);
      return bytes;
    case 2:
      return bytes.slice(0, at);
    case 3: {
      const more = Uint8Array.from({ length: 1 + chance(64) }, () => chance(256));
      return new Uint8Array(Buffer.concat([bytes.subarray(0, at), more, bytes.subarray(at)])).slice(
        0,
        lengthMax,
      );
    }
    case 4:
      bytes.copyWithin(chance(length), at, at + chance(64));
      return bytes;
    default: {
      const start = at & ~3;
      if (start + 4 <= length) new DataView(bytes.buffer).setUint32(start, word(chance), true);
      return bytes;
    }
  }
}
