// Taps in which somebody else has written what they liked: the process that has the ctrl queue maps the taps of all.

import { afterEach, beforeEach, expect, test } from "bun:test";
import { chanceOf, oneIn, word } from "../../../lab/fuzz/chance.ts";
import { Collector } from "../../../src/actors/inspector/collector.ts";
import { recordFilter } from "../../../src/actors/inspector/filter.ts";
import { Tracer } from "../../../src/actors/inspector/trace/tracer.ts";
import { Lifecycle } from "../../../src/actors/machines/lifecycle.ts";
import { slotOf } from "../../../src/actors/runtime/shared-words.ts";
import {
  Field,
  Head,
  headerBytes,
  namesAt,
  recordsMax,
  recordWords,
  tapBytes,
  tapsBytes,
} from "../../../src/actors/runtime/tap/layout.ts";
import { mapTap, Tap } from "../../../src/actors/runtime/tap/tap.ts";
import { closeFd, createMemfd } from "../../../src/transport/os/fds.ts";
import { NativeMemory } from "../../../src/transport/os/native-memory.ts";
import { FakeContext } from "../../support/fake-context.ts";

const slot = slotOf("ctrl-queue");
const at = slot * tapBytes;
const context = new FakeContext("inspector");
/** What is bounded takes a few milliseconds. */
const soon = 2_000;

let fd: number;
let area: NativeMemory;
let collector: Collector;
let tracer: Tracer;
beforeEach(() => {
  fd = createMemfd("taps", tapsBytes);
  area = NativeMemory.mapShared(fd, 0, tapsBytes, "write");
  collector = new Collector(context, area);
  tracer = new Tracer(collector.history, collector.readers, 1, 1e9);
});
afterEach(() => {
  collector.close();
  closeFd(fd);
});

const head = (): Uint32Array => new Uint32Array(area.view(at, namesAt));

function look(): void {
  collector.collect(2e9, () => true, [tracer]).commands!.forEach((tell) => tell());
  tracer.turn(2e9);
  collector.pictures();
  collector.latencies.tell();
  collector.past.last(recordFilter(""), 100);
  for (const reader of collector.readers) reader.machines();
}

test(
  "a ring that says that it has more records than it has room for is read once",
  () => {
    head()[Head.written] = 2 ** 24;
    expect(collector.collect(0, () => false, []).droppedRecords).toBe(0);
    expect(collector.records).toBeLessThanOrEqual(recordsMax);
  },
  soon,
);

test(
  "names and machines are as many as there is room for, be they read or written",
  () => {
    head().set([2 ** 28, 2 ** 16], Head.names);
    expect(collector.readers[slot]!.machines().length).toBeLessThan(32);
    const tap = new Tap(mapTap(fd, slot));
    const lifecycle = new Lifecycle(context.machines.scanout, tap);
    expect(lifecycle.event("PLUG")).toBeGreaterThanOrEqual(0);
    tap.close();
    new Collector(context, NativeMemory.mapShared(fd, 0, tapsBytes, "write")).close();
  },
  soon,
);

test("nothing that lies there has a look fail", () => {
  const chance = chanceOf(1);
  const headWords = new Uint32Array(area.view(at, headerBytes));
  const ring = new Uint32Array(area.view(at + headerBytes, recordsMax * recordWords * 4));
  for (let round = 0; round < 60; round++) {
    for (let index = 0; index < headWords.length; index++)
      if (oneIn(chance, 8)) headWords[index] = word(chance);
    const from = head()[Head.taken]!;
    for (let record = 0; record < 100; record++) {
      const begin = ((from + record) % recordsMax) * recordWords;
      for (let index = 0; index < recordWords; index++) ring[begin + index] = word(chance);
      if (!oneIn(chance, 4)) ring[begin] = chance(18);
      if (!oneIn(chance, 4)) new Float64Array(ring.buffer, ring.byteOffset)[(begin + Field.time) / 2] = 2e9;
    }
    head()[Head.written] = from + 100;
    look();
  }
}, 30_000);
