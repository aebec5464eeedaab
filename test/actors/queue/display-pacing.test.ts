// How often the display is told of changes, by a clock that the test moves.

import { afterAll, afterEach, beforeEach, describe, expect, spyOn, test } from "bun:test";
import { CursorOutbox } from "../../../src/actors/cursor/cursor-outbox.ts";
import { DisplayPacing } from "../../../src/actors/queue/display-pacing.ts";
import { FakeContext } from "../../support/fake-context.ts";

let clock = 1000;
const nanoseconds = spyOn(Bun, "nanoseconds").mockImplementation(() => clock * 1e6);
afterAll(() => nanoseconds.mockRestore());

let context: FakeContext;
let pacing: DisplayPacing;
beforeEach(() => {
  context = new FakeContext("cursor-queue");
  pacing = new DisplayPacing(context);
});
afterEach(() => {
  pacing.close();
  showEvery(0);
  context.close();
});

/** Says what the display's fastest sink shows, as the display does. */
function showEvery(ms: number): void {
  const area = context.area("display-period", "write");
  new Int32Array(area.view())[0] = ms * 1000;
  area.unmap();
}

function pass(ms: number): void {
  clock += ms;
  context.timers.runDue();
}

const ask = (times: number): boolean[] => Array.from({ length: times }, () => pacing.mayTell(0));
const allowed = (times: number): number => ask(times).filter(Boolean).length;

describe("a display without a limit", () => {
  test("is told eight changes at once, and as many after 2 ms", () => {
    expect(ask(10)).toEqual([...Array.from({ length: 8 }, () => true), false, false]);
    pass(1.9);
    expect(allowed(10)).toBe(0);
    pass(0.1);
    expect(allowed(100)).toBe(8);
  });

  test("is told at once of what is further apart", () => {
    for (let change = 0; change < 100; change++) {
      expect(pacing.mayTell(0)).toBe(true);
      pass(0.3);
    }
    expect(context.timers.timeout()).toBe(-1);
  });

  test("has whoever was held back called at most 2 ms later, when it may be told", () => {
    allowed(8);
    pass(1.5);
    expect(allowed(50)).toBe(0);
    expect(context.timers.timeout()).toBe(2);
    pass(2);
    expect(context.timers.timeout()).toBe(-1);
    expect(pacing.mayTell(0)).toBe(true);
  });

  test("is told nothing while it is behind, which costs none of the eight", () => {
    context.behind.set("display", 65);
    expect(allowed(20)).toBe(0);
    context.behind.set("display", 64);
    expect(allowed(20)).toBe(8);
  });

  test("is told the last change of a flood too", () => {
    const outbox = new CursorOutbox(context);
    const places = () => context.take("display").map((message) => ("x" in message ? message.x : -1));
    for (let x = 1; x <= 100; x++) {
      outbox.move(3, x, 7);
      outbox.tell();
    }
    expect(places()).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
    pass(2);
    outbox.tell();
    expect(places()).toEqual([100]);
    pass(2);
    outbox.tell();
    expect(places()).toEqual([]);
    outbox.close();
  });
});

describe("a display that shows a picture every 20 ms", () => {
  beforeEach(() => showEvery(20));

  test("is told of the first change at once, and of one a slot from there on", () => {
    expect(allowed(100)).toBe(1);
    pass(19);
    expect(allowed(100)).toBe(0);
    expect(context.timers.timeout()).toBe(1);
    pass(1);
    expect(allowed(100)).toBe(1);
    pass(500);
    expect(allowed(100)).toBe(1);
  });

  test("has slots for each scanout", () => {
    expect(allowed(10)).toBe(1);
    expect(pacing.mayTell(1)).toBe(true);
  });

  test("may get faster, which ends a slot that began before", () => {
    expect(allowed(10)).toBe(1);
    showEvery(5);
    expect(allowed(10)).toBe(0);
    pass(5);
    expect(allowed(10)).toBe(1);
  });
});
