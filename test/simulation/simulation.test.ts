// The whole system in one thread: seeds that find nothing, the same seed twice, and a seed that is made to fail.

import { expect, spyOn, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { Journal } from "../../src/actors/gpu/journal/journal.ts";
import { Command } from "../../src/transport/wire/virtio-gpu/protocol.ts";
import { WlSurface } from "../../src/transport/wire/wayland/protocol.ts";
import { mayLeave } from "../support/leaks.ts";
import { shrink } from "./shrink.ts";
import { simulate, stepsOfSeed } from "./simulate.ts";

const seeds = 40;
// What one had just made, or was about to send, when it died.
mayLeave(/^(?:descriptor|mapping) of \/memfd:fencepost-resource /);

test("a guest without mistakes in a system without trouble is shown what it draws", () => {
  let pixels = 0;
  for (let seed = 1; seed <= 5; seed++) {
    const outcome = simulate({ seed, isClean: true });
    expect([outcome.failure, outcome.kills]).toEqual(["", 0]);
    expect(outcome.commands).toBeGreaterThan(50);
    pixels += outcome.pixels;
  }
  expect(pixels).toBeGreaterThan(1000);
}, 60_000);

test("the same seed is the same to the last turn, and another is another", () => {
  const [first, again, other] = [7, 7, 8].map((seed) => simulate({ seed }).transcript);
  expect(again).toBe(first!);
  expect(other).not.toBe(first!);
}, 60_000);

test(`${seeds} seeds show what the model says, whoever is killed, held up or gone`, () => {
  let kills = 0;
  let deaths = 0;
  let guests = 0;
  let lent = 0;
  let recorded = 0;
  let pixels = 0;
  let windows = 0;
  let moves = 0;
  for (let seed = 1; seed <= seeds; seed++) {
    const { failure, ...outcome } = simulate({ seed });
    if (failure !== "") throw new Error(`bun run simulate --seed ${seed}: ${failure}`);
    kills += outcome.kills;
    deaths += outcome.deaths;
    guests += outcome.guests;
    lent += outcome.lent;
    recorded += outcome.recorded;
    pixels += outcome.pixels;
    windows += outcome.windows;
    moves += outcome.moves;
  }
  expect(kills).toBeGreaterThan(seeds);
  expect(deaths).toBeGreaterThan(seeds);
  expect(guests).toBeGreaterThan(seeds / 4);
  expect(lent).toBeGreaterThan(seeds / 4);
  expect(recorded).toBeGreaterThan(seeds);
  expect(pixels).toBeGreaterThan(seeds * 100);
  expect(windows).toBeGreaterThan(seeds / 2);
  expect(moves).toBeGreaterThan(seeds);
}, 240_000);

// Found by these: who came after a death told the cursor of a driver that had gone to the next one.
test.each([
  [51234, [7, 11, 24, 32, 64]],
  [51015, [0, 23, 49, 59, 88]],
])("a driver that starts anew has no cursor of the one before it, with seed %i", (seed, steps) => {
  expect(simulate({ seed, only: new Set(steps) }).failure).toBe("");
});

test.each(["RESOURCE_CREATE_BLOB", "RESOURCE_DETACH_BACKING", "SET_SCANOUT_BLOB"] as const)(
  "a journal without %s is found",
  (left) => {
    const kept = Journal.prototype.keep;
    const keep = spyOn(Journal.prototype, "keep");
    keep.mockImplementation(function (this: Journal, request) {
      if (request.type !== Command[left]) kept.call(this, request);
    });
    let found = "";
    for (let seed = 1; seed <= 60 && found === ""; seed++) found = simulate({ seed }).failure;
    keep.mockRestore();
    expect(found).not.toBe("");
  },
  60_000,
);

test("a window that is damaged less than it changes is found", () => {
  const said = WlSurface.prototype.damageBuffer;
  const damage = spyOn(WlSurface.prototype, "damageBuffer");
  damage.mockImplementation(function (this: WlSurface, x, y, width, height) {
    said.call(this, x, y, width, Math.max(1, height - 1));
  });
  let found = "";
  for (let seed = 1; seed <= 40 && found === ""; seed++) found = simulate({ seed }).failure;
  damage.mockRestore();
  expect(found).toContain("the window of scanout");
}, 60_000);

test("a seed that fails is told with the steps that it takes, and no others", () => {
  const needs = [17, 60];
  const { steps, failure } = shrink({ seed: 1 }, ({ only }) => {
    const fails = only === undefined || needs.every((step) => only.has(step));
    return { failure: fails ? "so it is" : "" };
  });
  expect(steps).toEqual(needs);
  expect(failure).toBe("so it is");
  expect(stepsOfSeed).toBeGreaterThan(needs[1]!);
});

test("actors and transport have no other door to time than the one that a simulation may shut", () => {
  const others =
    /\b(?:performance\.now|Date\.now|Bun\.(?:nanoseconds|sleep|sleepSync)|libc\.poll\(null|libc\.clock_gettime)\b/;
  // These have the engine's event loop, or are the host's own clock.
  const allowed =
    /^src\/(?:actors\/(?:inspector|supervisor)\/|transport\/os\/(?:clock|monotonic-clock|stop-signals)\.ts$)/;
  const found = ["src/actors", "src/transport"].flatMap((folder) =>
    readdirSync(folder, { recursive: true, encoding: "utf8" })
      .map((file) => join(folder, file))
      .filter((file) => file.endsWith(".ts") && !allowed.test(file))
      .filter((file) => others.test(readFileSync(file, "utf8"))),
  );
  expect(found).toEqual([]);
});
