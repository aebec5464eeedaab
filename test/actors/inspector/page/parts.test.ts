// What the page is made of that needs no browser.

import { expect, test } from "bun:test";
import type { ActorRecord, CommandRecord, LatencyRecord } from "../../../../src/actors/inspector/feed.ts";
import { place, talkers } from "../../../../src/actors/inspector/page/actor-graph.ts";
import { ActorTraffic } from "../../../../src/actors/inspector/page/actor-traffic.ts";
import { filterOf, hexDump, parts, summary } from "../../../../src/actors/inspector/page/command-text.ts";
import { LatencyHistory } from "../../../../src/actors/inspector/page/latency-history.ts";
import { Ring } from "../../../../src/actors/inspector/page/ring.ts";
import { bytes, crashText, duration, position, short } from "../../../../src/actors/inspector/page/words.ts";

const actor = (name: string, taken: Record<string, number>): ActorRecord => ({
  ...{
    name,
    state: "running",
    restarts: 0,
    crashes: 0,
    lastCrash: null,
    mailbox: {},
    taken,
    thread: 7,
    processor: 0,
    naps: 0,
    busy: 0,
    counters: {},
    droppedRecords: 0,
    isOutside: false,
  },
});

test("a crash is told with its reason, its time and how long nobody was there", () => {
  const crash = { reason: "ended by SIGSEGV", at: "2026-11-30T09:14:36.195Z", backMs: 1310 };
  expect(crashText(crash)).toBe("ended by SIGSEGV, 2026-11-30 09:14:36 UTC: another one after 1,310 ms");
  expect(crashText({ ...crash, backMs: null })).toBe(
    "ended by SIGSEGV, 2026-11-30 09:14:36 UTC: none in its place",
  );
});

test("numbers have three digits and the unit that suits them", () => {
  expect([999, 1000, 12_345, 999_960, 3.25e9].map(duration)).toEqual([
    "999 ns",
    "1.00 µs",
    "12.3 µs",
    "1.00 ms",
    "3.25 s",
  ]);
  expect([0, 3.75, 950, 1500, 2.5e6].map(short)).toEqual(["0", "3.8", "950", "1.50k", "2.50M"]);
  expect([512, 4096, 16 * 2 ** 20].map(bytes)).toEqual(["512 B", "4.00 KiB", "16.0 MiB"]);
});

test("a ring keeps the last of what it was given, by their numbers", () => {
  const ring = new Ring<string>(3);
  for (const one of "abcde") ring.push(one);
  expect([ring.first, ring.end, ring.length]).toEqual([2, 5, 3]);
  expect([...ring]).toEqual(["c", "d", "e"]);
  expect([1, 2, 4, 5].map((number) => ring.at(number))).toEqual([undefined, "c", "e", undefined]);
  ring.replace(3, "D");
  expect([...ring]).toEqual(["c", "D", "e"]);
});

test("a command's time is told apart, and its fields are one line", () => {
  const fields = {
    contextId: 2,
    resourceId: 7,
    width: 64,
    height: 32,
    x: 1,
    y: 2,
    format: "B8G8R8X8",
    offset: 12,
    layer: 0,
  };
  const command = {
    fields,
    kickNs: 100,
    takenNs: 150,
    parkedNs: 250,
    completedNs: 900,
    publishedNs: 950,
    waitsFor: 4,
    writes: [],
  };
  expect(summary(command as unknown as CommandRecord)).toBe("64×32 at 1,2 B8G8R8X8 offset=12");
  expect(
    parts(command as unknown as CommandRecord).map(({ kind, name, ns }) => `${kind} ${ns} ${name}`),
  ).toEqual([
    ...["wait 50 kick to taken", "run 100 run", "fence 650 wait for fence 4", "publish 50 answer to visible"],
  ]);
  const writes = [{ resource: 7 }, { resource: 0 }];
  expect(summary({ fields: {}, writes } as unknown as CommandRecord)).toBe("→ 7, others");
  const running = { ...command, kickNs: 0, parkedNs: 0, completedNs: 0, publishedNs: 0 };
  expect(parts(running as unknown as CommandRecord)).toEqual([]);
  const lost = { ...running, parkedNs: 250, lostNs: 800 };
  expect(parts(lost as unknown as CommandRecord).map(({ kind, ns }) => `${kind} ${ns}`)).toEqual([
    ...["run 100", "fence 550"],
  ]);
  expect([filterOf("resourceId", 7), filterOf("contextId", 0), filterOf("width", 7)]).toEqual([
    "res:7",
    null,
    null,
  ]);
  expect(hexDump(new TextEncoder().encode("ABCDEFGHIJ"))).toBe(
    "00  41 42 43 44 45 46 47 48  ABCDEFGH\n08  49 4a                    IJ",
  );
});

test("actors that may talk are drawn apart from one another, and the supervisor's edges once they are used", () => {
  const all = [
    actor("supervisor", { "ctrl-queue": 0, display: 3 }),
    actor("ctrl-queue", { supervisor: 0, display: 0 }),
    actor("display", { supervisor: 0, "ctrl-queue": 9 }),
  ];
  expect(talkers(all)).toEqual(["ctrl-queue ↔ display", "display ↔ supervisor"]);
  const { boxes, pairs } = place(["supervisor", "ctrl-queue", "display"], talkers(all));
  const [first, second, third] = boxes.toSorted((a, b) => a.x - b.x || a.y - b.y);
  expect(third!.name).toBe("display");
  expect(Math.abs(first!.y - second!.y) > 92 || second!.x - first!.x > 176).toBe(true);
  expect(pairs.map(({ from, to }) => `${from} ${to}`)).toEqual(["ctrl-queue display", "supervisor display"]);
});

test("rates are those of the samples that there are, beyond where a count wraps too", () => {
  const traffic = new ActorTraffic();
  const batch = { sequence: 0, droppedBatches: 0, droppedRecords: 0 };
  expect(traffic.rate("display")).toBe(0);
  traffic.take({
    ...batch,
    ns: 1e9,
    actors: [actor("display", { "ctrl-queue": 0xffff_fff0, supervisor: 1 })],
  });
  traffic.take({ ...batch, ns: 3e9, actors: [actor("display", { "ctrl-queue": 16, supervisor: 3 })] });
  expect([traffic.rate("display", "ctrl-queue"), traffic.rate("display")]).toEqual([16, 17]);

  const message = {
    from: "ctrl-queue",
    to: "display",
    number: 5,
    name: "flush",
    sentNs: 1,
    fields: [],
    command: "",
  };
  traffic.take({ ...batch, ns: 3e9, messages: [{ ...message, receivedNs: 0 }] });
  traffic.take({ ...batch, ns: 3e9, messages: [{ ...message, receivedNs: 7 }] });
  expect(traffic.last("ctrl-queue ↔ display", 10).map(({ receivedNs }) => receivedNs)).toEqual([7]);

  const history = new LatencyHistory();
  const record = (count: number): LatencyRecord => ({
    ...{ queue: "ctrl-queue", type: "GET_EDID", count, errors: 0, bytes: count * 10 },
    ...{ buckets: [], p50Ns: 1, p99Ns: 1, maxNs: 1 },
  });
  for (let second = 0; second < 100; second++)
    history.take({ ...batch, ns: second * 1e9, latency: [record(second * 4)] });
  expect(history.rates("ctrl-queue").commands).toEqual(Array.from({ length: 60 }, () => 4));
  expect(history.rates("ctrl-queue GET_EDID").bytes.at(-1)).toBe(40);
});

test("where something is in a recording has hours only where there are", () => {
  expect(position(72_480_999_999)).toBe("01:12.480");
  expect(position(3_600e9 + 61e9)).toBe("01:01:01.000");
  expect(position(0)).toBe("00:00.000");
});
