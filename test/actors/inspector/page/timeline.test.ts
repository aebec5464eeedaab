// The timeline's pure parts: commands become spans in lanes, spans become bars, and all can be found again.

import { expect, test } from "bun:test";
import type { CommandRecord, PictureRecord } from "../../../../src/actors/inspector/feed.ts";
import {
  barAt,
  folded,
  laneTitle,
  placed,
  rowHeight,
  sums,
} from "../../../../src/actors/inspector/page/timeline/layout.ts";
import { Lanes, type Span, spanOf } from "../../../../src/actors/inspector/page/timeline/spans.ts";
import {
  fitted,
  marks,
  panned,
  shifted,
  timeAt,
  zoomed,
} from "../../../../src/actors/inspector/page/timeline/time-range.ts";
import { found, matcher, neighbour, story } from "../../../../src/actors/inspector/page/timeline/walk.ts";

function command(number: number, own: Partial<CommandRecord>): CommandRecord {
  return {
    ...{ id: `ctrl-queue:${number}`, queue: "ctrl-queue", type: "TRANSFER_TO_HOST_2D", flags: [] },
    ...{ fields: { contextId: 0, resourceId: 7 }, bytes: 56, request: new Uint8Array(0) },
    ...{ response: "OK_NODATA", responseBytes: 24, kickNs: 0, takenNs: 0, parkedNs: 0, completedNs: 0 },
    ...{ publishedNs: 0, lostNs: 0, isInterrupted: true, fences: [], waitsFor: 0, moves: [], writes: [] },
    contextName: "",
    ...own,
  };
}

/** A command that was taken at `ns` and ran for 10 ns. */
const quick = (number: number, ns: number, own: Partial<CommandRecord> = {}): CommandRecord =>
  command(number, { takenNs: ns, completedNs: ns + 10, publishedNs: ns + 10, ...own });

const picture = (own: Partial<PictureRecord>): PictureRecord => ({
  ...{ ns: 0, what: "damage", scanout: 0, surface: 1, resource: 7, x: 0, y: 0, width: 8, height: 8 },
  ...{ command: "", sink: "", message: 0, ...own },
});

const kinds = ({ parts }: Span) => parts.map(({ kind, startNs, endNs }) => [kind, startNs, endNs]);

test("a fenced command's wait, run, fence and answer are told apart from kick to interrupt", () => {
  const span = spanOf(
    command(1, { kickNs: 100, takenNs: 130, parkedNs: 200, completedNs: 900, publishedNs: 950 }),
  );
  expect([span.startNs, span.endNs]).toEqual([100, 950]);
  expect(kinds(span)).toEqual([
    ["wait", 100, 130],
    ["run", 130, 200],
    ["fence", 200, 900],
    ["answer", 900, 950],
  ]);
});

test("a command of a queue that was awake begins with its taking, and waits for no fence", () => {
  const span = spanOf(command(1, { takenNs: 130, completedNs: 200, publishedNs: 210 }));
  expect(span.startNs).toBe(130);
  expect(kinds(span)).toEqual([
    ["run", 130, 200],
    ["answer", 200, 210],
  ]);
});

test("what goes on when its process dies ends there, though it was told of before", () => {
  const lanes = new Lanes();
  const waiting = command(1, { takenNs: 130, parkedNs: 200, waitsFor: 9 });
  lanes.addCommand(waiting);
  lanes.addCommand({ ...waiting, lostNs: 700 });
  lanes.addCommand({ ...waiting });
  const ends = lanes.list().map(({ id, spans }) => [id, spans.map(kinds)]);
  expect(ends).toEqual([
    [
      "ctrl-queue",
      [
        [
          ["run", 130, 200],
          ["fence", 200, 700],
        ],
      ],
    ],
    ["fences", [[["fence", 200, 700]]]],
  ]);
});

test("queues, fences, contexts, display and sinks have a lane each, in this order, and spans in order of time", () => {
  const lanes = new Lanes();
  lanes.addPicture(picture({ ns: 40, what: "frame-begun", sink: "vmm", message: 3 }));
  lanes.addPicture(picture({ ns: 60, what: "frame-shown", sink: "vmm", message: 3 }));
  lanes.addPicture(picture({ ns: 30, command: "ctrl-queue:2" }));
  lanes.addCommand(command(5, { queue: "cursor-queue", id: "cursor-queue:5", takenNs: 5 }));
  lanes.addCommand(quick(2, 20));
  const fenced = { parkedNs: 12, completedNs: 50, publishedNs: 55, waitsFor: 9 };
  lanes.addCommand(command(1, { takenNs: 10, ...fenced, fields: { contextId: 3 } }));
  lanes.addCommand(command(1, { takenNs: 10, ...fenced, fields: { contextId: 3 } }));
  expect(lanes.list().map(({ id }) => id)).toEqual([
    ...["ctrl-queue", "cursor-queue", "context 3", "display", "sink vmm"],
  ]);
  expect(lanes.list()[0]!.spans.map(({ startNs }) => startNs)).toEqual([10, 20]);
  expect(lanes.list()[2]!.spans[0]).toMatchObject({ name: "fence 9", startNs: 12, endNs: 50 });
  expect(lanes.list()[4]!.spans[0]).toMatchObject({ startNs: 40, endNs: 60 });
  expect(lanes.range()).toEqual({ startNs: 5, endNs: 60 });
});

test("a command that waits for a fence has no end until it is told of again", () => {
  const lanes = new Lanes();
  const waits = { takenNs: 10, parkedNs: 12, waitsFor: 9, fields: { contextId: 3 } };
  lanes.addCommand(command(1, waits));
  expect(lanes.list().map(({ spans }) => spans[0]!.endNs)).toEqual([Infinity, Infinity]);
  expect(lanes.range()).toEqual({ startNs: 10, endNs: 12 });
  lanes.addCommand(command(1, { ...waits, completedNs: 50, publishedNs: 55 }));
  expect(lanes.list().map(({ spans }) => spans.map(({ endNs }) => endNs))).toEqual([[55], [50]]);
});

test("a command whose end was dropped is not drawn as if it still ran", () => {
  const lanes = new Lanes();
  lanes.addCommand(command(1, { takenNs: 10 }));
  expect(lanes.list()[0]!.spans).toHaveLength(1);
  lanes.addCommand(quick(2, 100));
  lanes.addCommand(command(1, { takenNs: 10 }));
  expect(lanes.list()[0]!.spans.map((span) => span.command)).toEqual(["ctrl-queue:2"]);
});

test("what is kept is bounded, and the oldest goes first", () => {
  const lanes = new Lanes();
  for (let number = 0; number < 30_000; number++) lanes.addCommand(quick(number, number * 100));
  const { spans } = lanes.list()[0]!;
  expect(spans.length).toBeWithin(20_000, 21_025);
  expect(spans.at(-1)!.startNs).toBe(2_999_900);
  expect(lanes.command("ctrl-queue:29999")).toBeDefined();
  expect(lanes.command("ctrl-queue:1")).toBeUndefined();
});

test("contexts without end have lanes with an end: that which did nothing for longest goes", () => {
  const lanes = new Lanes();
  const fenced = (context: number, takenNs: number): void => {
    const times = { takenNs, parkedNs: takenNs + 1, completedNs: takenNs + 2, publishedNs: takenNs + 3 };
    lanes.addCommand(command(takenNs, { ...times, waitsFor: takenNs, fields: { contextId: context } }));
  };
  for (let turn = 1; turn <= 500; turn++) fenced(turn % 5 === 0 ? 1 : turn, turn * 10);
  const contexts = lanes.list().filter(({ id }) => id.startsWith("context"));
  expect(contexts).toHaveLength(24);
  expect(contexts.find(({ id }) => id === "context 1")!.spans).toHaveLength(101);
});

test("a thousand equal transfers are one bar, and are apart when looked at closely", () => {
  const spans = Array.from({ length: 1000 }, (_, number) => spanOf(quick(number, number * 20)));
  const far = folded("ctrl-queue", spans, 100);
  expect(far).toMatchObject([{ name: "TRANSFER_TO_HOST_2D", startNs: 0, endNs: 19_990 }]);
  expect(far[0]!.spans).toHaveLength(1000);
  expect(sums(far[0]!.spans)).toEqual(new Map([["run", 10_000]]));
  expect(folded("ctrl-queue", spans, 0.1)).toHaveLength(1000);
});

test("an error among a thousand equal commands stays a bar of its own while it can be seen", () => {
  const spans = Array.from({ length: 99 }, (_, number) =>
    spanOf(quick(number, number * 20, number === 50 ? { response: "ERR_UNSPEC" } : {})),
  );
  const bars = folded("ctrl-queue", spans, 4);
  expect(bars.map((bar) => [bar.spans.length, bar.isError])).toEqual([
    [50, false],
    [1, true],
    [48, false],
  ]);
  expect(folded("ctrl-queue", spans, 1000)).toMatchObject([{ isError: true, startNs: 0, endNs: 1970 }]);
});

test("commands that wait for fences at the same time lie in rows, and answers that are due may lie beneath", () => {
  const lanes = new Lanes();
  lanes.addCommand(
    command(1, { takenNs: 0, parkedNs: 100, completedNs: 5000, publishedNs: 5000, type: "SUBMIT_3D" }),
  );
  lanes.addCommand(command(2, { takenNs: 1000, completedNs: 2000, publishedNs: 5000 }));
  lanes.addCommand(
    command(3, { takenNs: 2100, completedNs: 3000, publishedNs: 5000, type: "RESOURCE_FLUSH" }),
  );
  const [queue] = placed(lanes.list(), { startNs: 0, nsPerPixel: 10 }, 600);
  expect(queue!.bars.map(({ row }) => row)).toEqual([0, 1, 1]);
  expect(queue!.rows).toBe(2);
});

test("what is drawn at a point is found there, and narrow bars a little beside it", () => {
  const lanes = new Lanes();
  lanes.addCommand(quick(1, 1000));
  lanes.addCommand(quick(2, 9000, { type: "RESOURCE_FLUSH" }));
  const range = { startNs: 0, nsPerPixel: 10 };
  const all = placed(lanes.list(), range, 1000);
  const y = laneTitle + rowHeight / 2;
  expect(barAt(all, range, 100.5, y)!.spans[0]!.command).toBe("ctrl-queue:1");
  expect(barAt(all, range, 98, y)!.spans[0]!.command).toBe("ctrl-queue:1");
  expect(barAt(all, range, 901, y)!.name).toBe("RESOURCE_FLUSH");
  expect(barAt(all, range, 500, y)).toBeNull();
  expect(barAt(all, range, 100.5, 4)).toBeNull();
});

test("zooming keeps what is under the pointer, and ends at a nanosecond a pixel", () => {
  const range = { startNs: 5e9, nsPerPixel: 1000 };
  const near = zoomed(range, 0.5, 300);
  expect(near.nsPerPixel).toBe(500);
  expect(timeAt(near, 300)).toBe(timeAt(range, 300));
  expect(zoomed(range, 1e-9, 300).nsPerPixel).toBe(1);
  expect(zoomed(range, 1e12, 300).nsPerPixel).toBe(1.8e9);
  expect(panned(range, -10).startNs).toBe(5e9 - 10_000);
  const all = fitted(1000, 2000, 1000);
  expect(timeAt(all, 0)).toBeLessThan(1000);
  expect(timeAt(all, 1000)).toBeGreaterThan(2000);
  expect(shifted(range, timeAt(range, 500), 1000)).toBe(range);
  expect(timeAt(shifted(range, 9e9, 1000), 800)).toBeCloseTo(9e9, 0);
});

test("marks of the axis are round, and far enough apart", () => {
  const { stepNs, at } = marks({ startNs: 1234, nsPerPixel: 37 }, 1000, 100);
  expect(stepNs).toBe(5000);
  expect(at.slice(0, 3)).toEqual([5000, 10_000, 15_000]);
});

test("a search finds by the words of the log's filter, forwards and back", () => {
  const lanes = new Lanes();
  lanes.addCommand(quick(1, 100, { fields: { contextId: 0, resourceId: 7 } }));
  lanes.addCommand(quick(2, 200, { fields: { contextId: 0, resourceId: 77 }, response: "ERR_UNSPEC" }));
  lanes.addCommand(quick(3, 300, { fields: { contextId: 0, resourceId: 7 }, type: "RESOURCE_FLUSH" }));
  const first = found(lanes.list(), matcher("res:7")!, null, 1)!;
  expect(first.span.command).toBe("ctrl-queue:1");
  const next = found(lanes.list(), matcher("res:7")!, first, 1)!;
  expect(next.span.command).toBe("ctrl-queue:3");
  expect(found(lanes.list(), matcher("res:7")!, next, 1)).toBeNull();
  expect(found(lanes.list(), matcher("errors")!, next, -1)!.span.command).toBe("ctrl-queue:2");
  expect(found(lanes.list(), matcher("type:flush res:7")!, null, 1)!.span.command).toBe("ctrl-queue:3");
  expect(matcher("  ")).toBeNull();
});

test("arrow keys go along a lane, and to what is near in time above and below", () => {
  const lanes = new Lanes();
  for (const number of [1, 2, 3]) lanes.addCommand(quick(number, number * 100));
  lanes.addPicture(picture({ ns: 290 }));
  const all = lanes.list();
  const at = { lane: "ctrl-queue", span: all[0]!.spans[1]! };
  expect(neighbour(all, at, "after").span.command).toBe("ctrl-queue:3");
  expect(neighbour(all, at, "before").span.command).toBe("ctrl-queue:1");
  expect(neighbour(all, at, "above")).toBe(at);
  const below = neighbour(all, at, "below");
  expect(below.lane).toBe("display");
  expect(neighbour(all, below, "above").span.command).toBe("ctrl-queue:3");
});

test("a flush's story goes on to what the display is told, and to the first frame that shows it", () => {
  const lanes = new Lanes();
  lanes.addCommand(quick(4, 100, { type: "RESOURCE_FLUSH" }));
  lanes.addPicture(picture({ ns: 120, command: "ctrl-queue:4", message: 8 }));
  for (const [ns, message] of [
    [110, 7],
    [200, 9],
    [300, 12],
  ] as const) {
    lanes.addPicture(picture({ ns, what: "frame-begun", sink: "vmm", message }));
    lanes.addPicture(picture({ ns: ns + 5, what: "frame-shown", sink: "vmm", message }));
  }
  const told = story(lanes.list(), "ctrl-queue:4");
  expect(told.map(({ lane, span }) => [lane, span.startNs])).toEqual([
    ["ctrl-queue", 100],
    ["display", 120],
    ["sink vmm", 200],
  ]);
});
