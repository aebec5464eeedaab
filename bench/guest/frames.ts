// What a guest said of its frames, and what QEMU's console showed of them and when.

import type { ShownPicture } from "../../lab/qemu/console-observer.ts";

/** The answer of the guest's `load` (lab/guest/load.h), on the guest's clock. */
export interface LoadAnswer {
  count: number;
  /** The first frame's number, as its stamp has it. */
  firstNumber: number;
  startUs: number;
  durationUs: number;
  /** When each frame was given to the driver, after the start; nothing where that was not asked. */
  givenUs: number[];
}

export function parseLoad(lines: readonly string[]): LoadAnswer {
  const [, count, startUs, durationUs, firstNumber] =
    /^ran (\d+) (\d+) (\d+) (\d+)$/.exec(lines[0] ?? "")?.map(Number) ?? [];
  if (count === undefined || startUs === undefined || durationUs === undefined || firstNumber === undefined) {
    throw new Error(`the guest says of its load: ${lines.join(" ")}`);
  }
  let at = 0;
  const givenUs = lines
    .slice(1)
    .flatMap((line) => line.split(" ").slice(1))
    .map((step) => (at += Number.parseInt(step, 16)));
  if (givenUs.length > 0 && givenUs.length !== count)
    throw new Error(`the guest tells ${givenUs.length} of its ${count} frames`);
  return { count, firstNumber, startUs, durationUs, givenUs };
}

const stampMask = 0xff0000;
const stampMark = 0x5a0000;
const numbers = 0x10000;

/** A frame that the console showed. */
interface Shown {
  atUs: number;
  frame: number;
}

/**
 * The frames by their stamps, counted from `firstNumber` on; where there are no pixels, each picture is the next frame.
 * What a load of before has left on its way is none.
 */
export function shownFrames(pictures: readonly ShownPicture[], firstNumber: number): Shown[] {
  const shown: Shown[] = [];
  let last = -1;
  for (const { atUs, pixel } of pictures) {
    if (pixel !== null && (pixel & stampMask) !== stampMark) continue;
    const frame = pixel === null ? last + 1 : last + after(last + firstNumber, pixel & (numbers - 1));
    if (frame < 0) continue;
    shown.push({ atUs, frame });
    last = frame;
  }
  return shown;
}

/** How many frames later than `last` the one is that ends in these 16 bits; less than 0 for one that was shown again. */
function after(last: number, bits: number): number {
  const distance = (bits - last) & (numbers - 1);
  return distance < numbers / 2 ? distance : distance - numbers;
}

/**
 * How long the console had shown an outdated picture when the next one came, in the order of the pictures: since the
 * first frame was given that it did not show. All in microseconds of the host. One of less than 0 was painted into the shown
 * buffer while the frame before was on its way.
 */
export function agesOf(shown: readonly Shown[], givenUs: readonly number[]): number[] {
  const ages: number[] = [];
  let last = -1;
  for (const { atUs, frame } of shown) {
    const since = givenUs[last + 1];
    if (frame <= last || since === undefined) continue;
    ages.push(atUs - since);
    last = frame;
  }
  return ages;
}
