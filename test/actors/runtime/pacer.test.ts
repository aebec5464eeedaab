// Slots of lanes, by a clock that the test moves.

import { afterAll, beforeEach, expect, spyOn, test } from "bun:test";
import { Pacer } from "../../../src/actors/runtime/pacer.ts";
import { Timers } from "../../../src/actors/runtime/timers.ts";

let clock = 0;
const nanoseconds = spyOn(Bun, "nanoseconds").mockImplementation(() => clock * 1e6);
afterAll(() => nanoseconds.mockRestore());

let timers: Timers;
let pacer: Pacer;
beforeEach(() => {
  clock = 1000;
  timers = new Timers();
  pacer = new Pacer(timers, 32);
  pacer.periodMs = 20;
});

/** Gives lane `lane` a change where it may be given one. */
function give(lane = 0): boolean {
  if (!pacer.may(lane)) return false;
  pacer.gave(lane);
  return true;
}

function pass(ms: number): void {
  clock += ms;
  timers.runDue();
}

test("without a limit every change goes, and no timer runs", () => {
  pacer.periodMs = 0;
  for (let change = 0; change < 100; change++) expect(give()).toBe(true);
  expect(timers.timeout()).toBe(-1);
});

test("one change goes a slot, and the actor is woken for the next", () => {
  expect([give(), give(), give()]).toEqual([true, false, false]);
  expect(timers.timeout()).toBe(20);
  pass(20);
  expect(timers.timeout()).toBe(-1);
  expect([give(), give()]).toEqual([true, false]);
});

test("a change that comes a little late keeps the beat, and one after a pause begins another", () => {
  give();
  pass(23);
  expect(give()).toBe(true);
  pass(17);
  expect(give()).toBe(true);
  pass(27);
  expect(give()).toBe(true);
  pass(17);
  expect(give()).toBe(false);
  pass(3);
  expect(give()).toBe(true);
});

test("lanes have slots of their own, and one timer that is the next one's", () => {
  give(0);
  pass(5);
  expect(give(31)).toBe(true);
  expect([give(31), give(0)]).toEqual([false, false]);
  expect(timers.timeout()).toBe(15);
  pass(15);
  expect([give(0), give(31)]).toEqual([true, false]);
  expect(timers.timeout()).toBe(5);
});

test("a lane that is held waits for its taker without a timer, and for half a slot then", () => {
  give();
  pacer.hold(0);
  expect(pacer.isHeld).toBe(true);
  pass(100);
  expect(give()).toBe(false);
  expect(timers.timeout()).toBe(-1);
  pacer.tookAll();
  expect(pacer.isHeld).toBe(false);
  expect(give()).toBe(false);
  expect(timers.timeout()).toBe(10);
  pass(10);
  expect(give()).toBe(true);
});

test("a taker that is quick does not move the beat", () => {
  give();
  pacer.hold(0);
  pass(9);
  pacer.took(0);
  expect(give()).toBe(false);
  pass(11);
  expect(give()).toBe(true);
});

test("another period holds for the slot that has begun", () => {
  give();
  pacer.periodMs = 5;
  pass(4);
  expect(give()).toBe(false);
  pass(1);
  expect(give()).toBe(true);
  pacer.periodMs = 20;
  pass(5);
  expect(give()).toBe(false);
});

test("a lane that is forgotten has no slot, and closing has no timer", () => {
  give();
  pacer.hold(0);
  pacer.forget(0);
  expect(give()).toBe(true);
  expect(give()).toBe(false);
  pacer.close();
  expect(timers.timeout()).toBe(-1);
});
