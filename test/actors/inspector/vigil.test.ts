// Whether who holds the guest is still there.

import { expect, test } from "bun:test";
import { Vigil } from "../../../src/actors/inspector/vigil.ts";

/** Looks three times a second, for `seconds`; returns in which of them the other side was found gone, -1 where it never was. */
function watch(
  seconds: number,
  at: (second: number, vigil: Vigil) => number,
): { gone: number; pings: number } {
  let [pings, unsent] = [0, 0];
  const vigil = new Vigil({ ping: () => pings++, getBufferedAmount: () => unsent });
  for (let third = 0; third < seconds * 3; third++) {
    unsent = at(third / 3, vigil);
    if (vigil.isOver((third / 3) * 1e9)) return { gone: third / 3, pings };
  }
  return { gone: -1, pings };
}

test("one that says nothing at all has gone, whatever it was sent", () => {
  expect(watch(60, () => 0)).toEqual({ gone: 12, pings: 7 });
  expect(watch(60, (second) => 1000 * second).gone).toBe(12);
});

test("one that answers is there, be it late, and so is one that has yet to come to the question", () => {
  const answersLate = watch(3600, (second, vigil) => {
    if (second % 10 === 9) vigil.heard();
    return 0;
  });
  expect(answersLate.gone).toBe(-1);
  expect(watch(3600, (second) => 1e9 - second).gone).toBe(-1);
});

test("who was stopped while the other side answered believes it there", () => {
  const vigil = new Vigil({ ping: () => {}, getBufferedAmount: () => 0 });
  expect([0, 3600e9, 7200e9].map((ns) => vigil.isOver(ns))).toEqual([false, false, false]);
});
