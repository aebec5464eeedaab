// How often the display is told of changes, by a clock that the test moves.

import { afterAll, afterEach, beforeEach, expect, spyOn, test } from "bun:test";
import { CursorOutbox } from "../../../src/actors/cursor/cursor-outbox.ts";
import { DisplayPacing } from "../../../src/actors/queue/display-pacing.ts";
import { FakeContext } from "../../support/fake-context.ts";

let clock = 1000;
const nanoseconds = spyOn(Bun, "nanoseconds").mockImplementation(() => clock * 1e6);
afterAll(() => nanoseconds.mockRestore());

let context: FakeContext;
let pacing: DisplayPacing;
let retries: number;
beforeEach(() => {
  context = new FakeContext("cursor-queue");
  retries = 0;
  pacing = new DisplayPacing(context, () => retries++);
});
afterEach(() => context.close());

function pass(ms: number): void {
  clock += ms;
  context.timers.runDue();
}

const ask = (times: number): boolean[] => Array.from({ length: times }, () => pacing.maySend());
const allowed = (times: number): number => ask(times).filter(Boolean).length;

test("eight changes are told at once, and as many after 2 ms", () => {
  expect(ask(10)).toEqual([...Array.from({ length: 8 }, () => true), false, false]);
  pass(1.9);
  expect(allowed(10)).toBe(0);
  pass(0.1);
  expect(allowed(100)).toBe(8);
});

test("what is further apart is never held back", () => {
  for (let change = 0; change < 100; change++) {
    expect(pacing.maySend()).toBe(true);
    pass(0.3);
  }
  expect(retries).toBe(0);
  expect(context.timers.timeout()).toBe(-1);
});

test("whoever was held back is called once, at most 2 ms later, and may send then", () => {
  allowed(8);
  pass(1.5);
  expect(allowed(50)).toBe(0);
  expect(context.timers.timeout()).toBe(2);
  pass(1.9);
  expect(retries).toBe(0);
  pass(0.1);
  expect(retries).toBe(1);
  expect(pacing.maySend()).toBe(true);
  pass(10);
  expect(retries).toBe(1);
});

test("nothing is told to a display that is behind, which costs none of the eight", () => {
  context.behind.set("display", 65);
  expect(allowed(20)).toBe(0);
  context.behind.set("display", 64);
  expect(allowed(20)).toBe(8);
  pass(2);
  expect(retries).toBe(1);
});

test("a flood tells the display its last change too", () => {
  const outbox = new CursorOutbox(context, false);
  for (let x = 1; x <= 100; x++) outbox.move(3, x, 7);
  const places = () => context.take("display").map((message) => ("x" in message ? message.x : -1));
  expect(places()).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
  pass(2);
  expect(places()).toEqual([100]);
  pass(2);
  expect(places()).toEqual([]);
});
