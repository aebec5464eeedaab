// What `ctl` makes of records that no device has to be brought to tell.

import { expect, test } from "bun:test";
import type { CommandRecord } from "../../src/actors/inspector/feed.ts";
import { commandLine } from "../../src/cli/tables.ts";

const command: CommandRecord = {
  ...{
    id: "ctrl-queue:17",
    queue: "ctrl-queue",
    type: "SUBMIT_3D",
    flags: ["FENCE"],
    fields: { contextId: 2 },
  },
  ...{ contextName: "kmscube", bytes: 32, request: new Uint8Array(32), response: "", responseBytes: 0 },
  ...{
    kickNs: 0,
    takenNs: 3_391_000e6,
    parkedNs: 0,
    completedNs: 0,
    publishedNs: 0,
    lostNs: 0,
    isInterrupted: false,
  },
  ...{ fences: [5], waitsFor: 5, moves: [], writes: [] },
};
/** The line without its time of day, which is the viewer's. */
const lineOf = (more: Partial<CommandRecord>): string =>
  commandLine({ ...command, ...more }, 0).replaceAll(/\d\d:\d\d:(\d\d\.\d{3})/g, "$1");

test("a command is told with how long it took and waited; one without an answer, that it runs or since when it waits", () => {
  const parkedNs = command.takenNs + 2e6;
  const answered = { parkedNs, completedNs: parkedNs + 3e6, response: "OK_NODATA" };
  const line = (rest: string): string => `  31.000 ctrl-queue:17   SUBMIT_3D               ${rest}`;
  expect(lineOf(answered)).toBe(line("5.00 ms ctx=2 (waited 3.00 ms)"));
  expect(lineOf({ parkedNs })).toBe(line("  waits ctx=2 (since 31.002)"));
  expect(lineOf({})).toBe(line("   runs ctx=2"));
});

test("of a command whose process died is said how, and the one that it may have died of is marked", () => {
  const parkedNs = command.takenNs + 2e6;
  const lostNs = parkedNs + 1e9;
  const line = (mark: string, rest: string): string =>
    `${mark} 31.000 ctrl-queue:17   SUBMIT_3D               ${rest}`;
  expect(lineOf({ lostNs })).toBe(line("!", "   lost ctx=2 its process died amid it"));
  expect(lineOf({ parkedNs, lostNs })).toBe(
    line(" ", "   lost ctx=2 (waited 1.00 s) its process died while it waited"),
  );
  const answered = { completedNs: parkedNs, response: "OK_NODATA", lostNs };
  expect(lineOf(answered)).toBe(
    line(" ", "2.00 ms ctx=2 its process died before the guest could see the answer"),
  );
});
