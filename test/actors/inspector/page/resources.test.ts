// The resources' table: how old and idle they are, which are leaks, how they are sorted and narrowed.

import { expect, test } from "bun:test";
import type { ResourceRecord } from "../../../../src/actors/inspector/feed.ts";
import {
  narrowed,
  type Row,
  rowsOf,
  sorted,
  totals,
} from "../../../../src/actors/inspector/page/resources/table.ts";

const second = 1e9;
const mebibyte = 2 ** 20;

const resource = (id: number, own: Partial<ResourceRecord> = {}): ResourceRecord => ({
  ...{ id, state: "cpu2d.backed", width: 640, height: 480, format: "B8G8R8X8", bytes: mebibyte },
  ...{
    blob: "",
    backingBytes: mebibyte,
    backingRuns: 1,
    scanouts: [],
    surface: 0,
    uuid: "",
    contexts: [],
    wasShown: false,
  },
  ...{ createdNs: second, usedNs: second, usedBy: "ctrl-queue:1", usedType: "RESOURCE_CREATE_2D", ...own },
});

const ids = (rows: readonly Row[]): number[] => rows.map(({ id }) => id);
const leaks = (rows: readonly Row[]): number[] => ids(narrowed(rows, "leak"));

test("a resource's age and last use are told by the server's clock", () => {
  const rows = rowsOf([resource(7, { usedNs: 3 * second }), resource(8, { createdNs: 0 })], 5 * second);
  expect(rows[0]).toMatchObject({ age: 4 * second, idle: 2 * second, kind: "2D, memory" });
  expect(rows[1]!.age).toBe(-1);
});

test("what nobody holds, shows or names for ten seconds is marked as a leak; a cursor is not, nor what was shown before", () => {
  const cursor = resource(3, { usedType: "UPDATE_CURSOR" });
  const console = resource(5, { wasShown: true });
  const all = [resource(1), resource(2, { scanouts: [0] }), cursor, resource(4, { contexts: [5] }), console];
  expect(leaks(rowsOf(all, 5 * second))).toEqual([]);
  const rows = rowsOf(all, 30 * second);
  expect(leaks(rows)).toEqual([1]);
  expect(rows[0]!.marks[0]!.why).toBe("in no context, never shown, named by no command for 29 s");
});

test("a client that makes the same again and again and frees none is found, though it still holds them", () => {
  const held = { state: "gpu3d.backed", contexts: [3] };
  const all = Array.from({ length: 40 }, (_, id) => resource(id + 1, held));
  all.push(resource(99, { ...held, width: 8 }));
  const rows = rowsOf(all, 60 * second);
  expect(leaks(rows)).toHaveLength(40);
  expect(rows[0]!.marks[0]!.why).toStartWith("one of 40 alike");
  expect(leaks(rowsOf(all.slice(0, 20), 60 * second))).toEqual([]);
});

test("what is larger than any picture on a scanout, or has too much backing, is marked as oversized", () => {
  const all = [
    resource(1, { scanouts: [0], bytes: 8 * mebibyte, backingBytes: 8 * mebibyte }),
    resource(2, { bytes: 128 * mebibyte, backingBytes: 0 }),
    resource(3, { bytes: mebibyte, backingBytes: 4 * mebibyte }),
  ];
  const rows = rowsOf(all, 0);
  expect(rows.map(({ marks }) => marks.map(({ why }) => why))).toEqual([
    [],
    ["16.0 times the largest picture on a scanout"],
    ["its backing is 4.0 times as large"],
  ]);
  expect(ids(narrowed(rows, "marked"))).toEqual([2, 3]);
  expect(totals(rows)).toEqual({
    ...{ count: 3, bytes: 137 * mebibyte, backingBytes: 12 * mebibyte, leaks: 0, oversized: 2 },
  });
});

test("rows are sorted by any column, equal ones by their id", () => {
  const all = [resource(3, { width: 8 }), resource(1), resource(2, { scanouts: [1], bytes: 5 })];
  const rows = rowsOf(all, 0);
  const by = (column: Parameters<typeof sorted>[1]["column"], isDescending = false): number[] =>
    ids(sorted(rows, { column, isDescending }));
  expect(by("id")).toEqual([1, 2, 3]);
  expect(by("id", true)).toEqual([3, 2, 1]);
  expect(by("size")).toEqual([3, 1, 2]);
  expect(by("bytes", true)).toEqual([1, 3, 2]);
  expect(by("scanouts", true)).toEqual([2, 1, 3]);
  expect(ids(rows)).toEqual([3, 1, 2]);
});

test("rows are narrowed by ids, contexts, formats and words", () => {
  const all = [resource(7, { contexts: [3] }), resource(77, { format: "R8G8B8A8" }), resource(8)];
  const rows = rowsOf(all, 0);
  expect(ids(narrowed(rows, "res:7"))).toEqual([7]);
  expect(ids(narrowed(rows, "ctx:3 640x480"))).toEqual([7]);
  expect(ids(narrowed(rows, "r8g8"))).toEqual([77]);
  expect(ids(narrowed(rows, ""))).toEqual([7, 77, 8]);
});
