// The order of turns and the time of a simulation.

import { expect, test } from "bun:test";
import { chanceOf } from "../../lab/fuzz/chance.ts";
import { type Party, Scheduler } from "./runtime/scheduler.ts";
import { simulate } from "./simulate.ts";

test("whoever is held up has a turn once that is over, also where it ends while others are asked", () => {
  for (let seed = 1; seed <= 20; seed++) {
    const scheduler = new Scheduler(chanceOf(seed));
    let isDone = false;
    const held: Party = { name: "held", step: () => !isDone && (isDone = true), dueMs: () => -1 };
    // Each look of theirs takes a while.
    const idle = (name: string): Party => ({
      name,
      step: () => scheduler.nanoseconds() < 0,
      dueMs: () => -1,
    });
    for (const party of [idle("first"), held, idle("last")]) scheduler.add(party);
    scheduler.hold("held", 0.0005);
    expect([seed, scheduler.until(() => isDone, 1_000)]).toEqual([seed, true]);
    expect(scheduler.atNs).toBeLessThan(10_000);
  }
});

test.each([
  // A bridge that is held up until somebody looks at the clock.
  [2316, [31, 32, 33, 36, 38, 39, 42, 43, 45, 51, 55, 59, 60, 61, 62, 63, 64, 65, 72, 76, 77, 80]],
  // A compositor that is held up while a scanout is there for a moment.
  [6992, [66, 107, 109, 113, 118]],
])("seed %d, of which a simulation once said what was its own mistake", (seed, steps) => {
  expect(simulate({ seed, only: new Set(steps) }).failure).toBe("");
});
