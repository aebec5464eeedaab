// Words of a filter, and what they find.

import { expect, test } from "bun:test";
import type { CommandRecord } from "../../../src/actors/inspector/feed.ts";
import { recordFilter } from "../../../src/actors/inspector/filter.ts";

const command = {
  ...{ id: "ctrl-queue:17", queue: "ctrl-queue", type: "TRANSFER_TO_HOST_3D", flags: ["FENCE"] },
  ...{
    fields: { contextId: 3, resourceId: 7, fenceId: 12, x: 10, y: 20, width: 4, height: 1 },
    response: "ERR_UNSPEC",
  },
  ...{ takenNs: 1e9, parkedNs: 1.0005e9, completedNs: 1.002e9, waitsFor: 5, contextName: "kmscube" },
  writes: [{ resource: 9, x: 100, y: 50, width: 2, height: 2 }],
} as unknown as CommandRecord;

test.each([
  ["", true],
  ["ctx:3 res:7 type:transfer errors slow:>1ms", true],
  ["ctx:4", false],
  ["ctx:3 res:8", false],
  ["scanout:0", false],
  ["fence:12 fenced queue:ctrl id:ctrl-queue:17", true],
  ["slow:3ms", false],
  ["slow:>1999.5us", true],
  ["type:FLUSH", false],
  ["at:10,20", true],
  ["at:13,20", true],
  ["at:14,20", false],
  ["at:9,20", false],
  ["at:10,21", false],
  ["ctx:Cube", true],
  ["ctx:weston", false],
  ["res:9", true],
  ["at:101,51", true],
  ["at:102,51", false],
  ["id:ctrl-queue:18", false],
  ["id:cursor-queue:17", false],
  ["fence:13", false],
  ["fence-age:>1ms", true],
  ["fence-age:>1.5ms", false],
])("%p says %p", (text, found) => {
  expect(recordFilter(text)(command)).toBe(found);
});

test("a command that waits has waited until now, and one that runs has not yet been slow", () => {
  const waiting = { ...command, completedNs: 0 };
  const holds = (text: string, nowNs: number): boolean => recordFilter(text, nowNs)(waiting);
  expect([holds("fence-age:>1s", 2.5e9), holds("fence-age:>2s", 2.5e9)]).toEqual([true, false]);
  expect([holds("fence-age:>0ns", 0), holds("slow:>0ns", 2.5e9)]).toEqual([false, false]);
});

test.each(["res:x", "foo", "at:1", "slow:>1", "fence-age:1", "res:", "constructor:1", "a ".repeat(20)])(
  "%p is refused with a word on it",
  (text) => expect(() => recordFilter(text)).toThrow(/want/),
);
