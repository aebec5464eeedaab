// Rectangles that somebody else says.

import { expect, test } from "bun:test";
import { isInside } from "../../src/picture/damage.ts";

const picture = { width: 64, height: 48 };
const inside = (x: number, y: number, width: number, height: number): boolean =>
  isInside({ x, y, width, height }, picture);

test("a rectangle lies inside of a picture up to its edges, and is counted in whole pixels from its corner", () => {
  expect(inside(0, 0, 64, 48)).toBe(true);
  expect(inside(63, 47, 1, 1)).toBe(true);
  expect(inside(1, 0, 64, 48)).toBe(false);
  expect(inside(0, 1, 64, 48)).toBe(false);
  for (const strange of [-1, 0.5, Number.NaN, Infinity, -Infinity, 2 ** 60, "1" as never, null as never]) {
    expect(inside(strange, 0, 1, 1)).toBe(false);
    expect(inside(0, strange, 1, 1)).toBe(false);
    expect(inside(0, 0, strange, 1)).toBe(false);
    expect(inside(0, 0, 1, strange)).toBe(false);
  }
});
