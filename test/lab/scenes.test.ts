// The scene depends on the frame number alone, and its damage tells the truth.

import { describe, expect, test } from "bun:test";
import { arrowHotSpot, drawArrow } from "../../lab/scenes/arrow.ts";
import { Landscape, union } from "../../lab/scenes/landscape.ts";

const width = 320;
const height = 200;

describe("Landscape", () => {
  test("a frame is the same whichever was drawn before", () => {
    const played = new Uint32Array(width * height);
    const scene = new Landscape(played, width, height);
    for (const frame of [0, 1, 2, 50, 3000, 77]) {
      scene.draw(frame);
      const alone = new Uint32Array(width * height);
      new Landscape(alone, width, height).draw(frame);
      expect(played).toEqual(alone);
    }
  });

  test("the damage covers every pixel that changed, and stays inside of the picture", () => {
    const pixels = new Uint32Array(width * height);
    const scene = new Landscape(pixels, width, height);
    expect(scene.draw(0)).toEqual([{ x: 0, y: 0, width, height }]);
    for (let frame = 1; frame < 900; frame += 7) {
      const before = pixels.slice();
      for (const { x, y, width: w, height: h } of scene.draw(frame)) {
        expect(x >= 0 && y >= 0 && x + w <= width && y + h <= height).toBe(true);
        for (let row = y; row < y + h; row++) {
          const start = row * width + x;
          before.set(pixels.subarray(start, start + w), start);
        }
      }
      expect(before).toEqual(pixels);
    }
  });

  test("the pointer stays on the screen", () => {
    const scene = new Landscape(new Uint32Array(width * height), width, height);
    for (let frame = 0; frame < 500; frame++) {
      const { x, y } = scene.pointerAt(frame);
      expect(x >= 0 && x < width && y >= 0 && y < height).toBe(true);
    }
  });
});

test("an empty rectangle adds nothing to a union", () => {
  const one = { x: 4, y: 5, width: 6, height: 7 };
  const empty = { x: 0, y: 0, width: 0, height: 9 };
  expect(union(one, empty)).toEqual(one);
  expect(union(empty, one)).toEqual(one);
  expect(union(one, { x: 0, y: 10, width: 5, height: 5 })).toEqual({ x: 0, y: 5, width: 10, height: 10 });
});

test("the arrow's tip is opaque and its surroundings are clear", () => {
  const pixels = new Uint32Array(64 * 64).fill(1);
  drawArrow(pixels);
  expect(pixels[arrowHotSpot.y * 64 + arrowHotSpot.x]! >>> 24).toBe(0xff);
  expect(pixels[63]).toBe(0);
  expect(pixels[64 * 64 - 1]).toBe(0);
});
