// What of a flood of commands is told to whoever reads a tap, and what is only counted.

import { afterEach, beforeEach, expect, test } from "bun:test";
import { RecordKind } from "../../../src/actors/runtime/tap/layout.ts";
import { Command, Response } from "../../../src/transport/wire/virtio-gpu/protocol.ts";
import { TestTap } from "../../support/tap.ts";

/** More than are told at once. */
const flood = 3000;
const burst = 1024;

let seen: TestTap;
beforeEach(() => (seen = new TestTap()));
afterEach(() => seen.close());

function run(type: number, response: number = Response.OK_NODATA): void {
  const { tap } = seen;
  tap.commandTaken(Uint32Array.of(type, 0, 0, 0, 0, 0), 24, 24);
  tap.commandRan(response, 24, response !== Response.OK_NODATA);
}

function runMany(type: number, count: number): void {
  seen.tap.whileRead();
  for (let one = 0; one < count; one++) run(type);
}

const typesTaken = (): number[] => seen.take("taken").map(({ words }) => words[4]!);

test("of a flood so many commands are told, and of each other type the first of each look; none is lost count of", () => {
  runMany(Command.RESOURCE_FLUSH, flood);
  // One of them is the first of its type that does not belong to the burst.
  expect(typesTaken().length).toBe(burst + 1);
  expect(seen.untold(Command.RESOURCE_FLUSH)).toBe(flood - burst - 1);
  let told = 0;
  for (let look = 0; look < 3; look++) {
    runMany(Command.RESOURCE_FLUSH, flood);
    runMany(Command.SUBMIT_3D, flood);
    const types = typesTaken();
    told += types.length;
    expect(types.filter((type) => type === Command.SUBMIT_3D)).toEqual([Command.SUBMIT_3D]);
  }
  const untold = seen.untold(Command.RESOURCE_FLUSH) + seen.untold(Command.SUBMIT_3D);
  expect(burst + 1 + told + untold).toBe(7 * flood);
});

test("what is refused, waits or makes a fence is told in a flood, with all that follows from it", () => {
  const { tap } = seen;
  runMany(Command.RESOURCE_FLUSH, flood);
  seen.take();
  tap.whileRead();
  runMany(Command.RESOURCE_FLUSH, flood);
  const before = seen.untold(Command.RESOURCE_FLUSH);
  seen.take();
  run(Command.RESOURCE_FLUSH, Response.ERR_INVALID_RESOURCE_ID);
  expect(seen.take().map(({ kind }) => kind)).toEqual(["taken", "completed"]);
  tap.commandTaken(Uint32Array.of(Command.RESOURCE_FLUSH), 4, 24);
  tap.fence(RecordKind.fenceMade, 7, 1, 0, false);
  const number = tap.commandParked();
  tap.rest();
  run(Command.RESOURCE_FLUSH);
  tap.commandCompleted(number, Response.OK_NODATA, 24);
  const records = seen.take();
  expect(records.map(({ kind, command }) => [kind, command])).toEqual([
    ["taken", number],
    ["fenceMade", number],
    ["parked", number],
    ["completed", number],
  ]);
  expect(seen.untold(Command.RESOURCE_FLUSH)).toBe(before + 1);
});

test("a flood of mistakes is thinned, too", () => {
  runMany(Command.RESOURCE_FLUSH, flood);
  seen.take();
  seen.tap.whileRead();
  runMany(Command.RESOURCE_FLUSH, flood);
  seen.take();
  for (let one = 0; one < flood; one++) run(Command.RESOURCE_FLUSH, Response.ERR_UNSPEC);
  expect(seen.take("completed").length).toBeLessThan(100);
});

test("what is no command's goes on being told, and what a command that is not told changes is not", () => {
  const { tap } = seen;
  const machine = tap.machine("resource", 30, 5);
  runMany(Command.RESOURCE_FLUSH, flood);
  tap.commandTaken(Uint32Array.of(Command.RESOURCE_FLUSH), 4, 24);
  seen.take();
  tap.lifecycle(machine, 1, 2, 3, 9, false);
  tap.commandRan(Response.OK_NODATA, 24, false);
  tap.lifecycle(machine, 3, 2, 1, 9, false);
  expect(seen.take().map(({ kind, words }) => [kind, words[1]])).toEqual([["moved", 3]]);
});
