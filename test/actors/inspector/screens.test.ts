// When the inspector asks the display for pixels.

import { afterEach, beforeEach, expect, test } from "bun:test";
import type { PictureRecord } from "../../../src/actors/inspector/feed.ts";
import type { ScreenRecord } from "../../../src/actors/inspector/screen-feed.ts";
import { Screens } from "../../../src/actors/inspector/screens.ts";
import { FakeContext } from "../../support/fake-context.ts";

let context: FakeContext;
let screens: Screens;
let told: ScreenRecord[];
let ns = 0;
beforeEach(() => {
  context = new FakeContext("inspector");
  told = [];
  screens = new Screens(context, (record) => told.push(record));
});
afterEach(() => context.close());

/** The display was told that scanout 0 shows a surface. */
function view(surface: number): void {
  const nothing = { ns: 0, resource: 1, x: 0, y: 0, command: "", sink: "", message: 1 };
  const record: PictureRecord = { ...nothing, what: "view", scanout: 0, surface, width: 8, height: 8 };
  screens.note(record);
}

/** A turn, and the display's answers to what was asked in it, in which scanout 0 shows `surface`; returns how many. */
function turn(surface: number): number {
  screens.turn((ns += 16e6));
  const asked = context.take("display");
  for (const question of asked) {
    if (question.type !== "ask-pixels") throw new Error(question.type);
    const place = { x: 0, y: 0, width: 8, height: 8, viewWidth: 8, viewHeight: 8 };
    const answer = { type: "pixels", token: question.token, fd: -1, ...place, surface, error: "" } as const;
    context.deliver({ receive: () => undefined }, answer);
  }
  return asked.length;
}

test("a view that the display has not heard of is asked for until it has", () => {
  view(2);
  expect([turn(1), turn(1), turn(1), turn(2), turn(2)]).toEqual([1, 1, 1, 1, 0]);
  expect(told.length).toBe(4);
});

test("a view that the display never shows is not asked for for ever", () => {
  view(2);
  let asked = 0;
  for (let times = 0; times < 1000; times++) asked += turn(1);
  expect(asked).toBe(61);
});

test("what was shown before anybody told is asked for once", () => {
  screens.owe();
  expect(turn(5)).toBeGreaterThan(0);
  expect(turn(5)).toBe(0);
});

test("a turn that an answer brings, at once, asks for nothing new; the next that is due asks for what came meanwhile", () => {
  view(2);
  expect(turn(2)).toBe(1);
  view(3);
  screens.turn(ns + 2e6);
  expect(context.take("display")).toEqual([]);
  expect(turn(3)).toBe(1);
});
