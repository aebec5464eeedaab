// What a command may cost at most, counted and not timed: objects made, and calls into the C library. Every limit is
// what the code needs today: lower it with the code, and raise it only for a good reason.

import { afterEach, beforeEach, expect, test } from "bun:test";
import { heapStats } from "bun:jsc";
import { CtrlQueue } from "../../src/actors/ctrl-queue/ctrl-queue.ts";
import * as commands from "../../src/guest/commands.ts";
import { type GuestRange, pageBytes } from "../../src/guest/guest-memory.ts";
import { Format, Response } from "../../src/transport/virtio-gpu/protocol.ts";
import { countCalls } from "../support/call-counter.ts";
import { FakeContext } from "../support/fake-context.ts";
import { QueueBench } from "../support/queue-bench.ts";

/** Commands offered at once: fewer than the device takes before it looks elsewhere. */
const depth = 60;
const tile = { width: 64, height: 64 };
const tileBytes = tile.width * tile.height * 4;
const hidden = 1;
const area = { x: 0, y: 0, ...tile };

let context: FakeContext;
let bench: QueueBench;
let ctrl: CtrlQueue;

beforeEach(() => {
  context = new FakeContext("ctrl-queue");
  ctrl = new CtrlQueue(context);
  bench = new QueueBench(context, ctrl, { size: 256, eventIdx: true });
  expectOk(commands.createResource2d(hidden, Format.B8G8R8X8, tile.width, tile.height));
});

afterEach(() => {
  bench.tell({ type: "reset", token: 1 });
  bench.close();
});

function expectOk(request: DataView): void {
  expect(bench.command(request).type).toBe(Response.OK_NODATA);
}

/** Requests in guest memory, made once and served again and again. */
class Load {
  private readonly heads: Uint32Array;
  private readonly answers: Uint32Array[] = [];

  constructor(requests: readonly DataView[]) {
    const { guest, driver } = bench;
    this.heads = Uint32Array.from(requests, (request) => {
      const readable = guest.allocate(request.byteLength, 64);
      readable.bytes.set(new Uint8Array(request.buffer));
      const writable = guest.allocate(24, 64);
      this.answers.push(writable.words);
      return driver.add([readable], [writable]);
    });
  }

  /** Serves the first `count` requests `batches` times, each time as one batch. A driver that `waits` wants interrupts. */
  run(batches: number, count: number = this.heads.length, waits = false): void {
    const { driver } = bench;
    driver.disableCall();
    for (let batch = 0; batch < batches; batch++) {
      if (waits) driver.enableCall();
      for (let index = 0; index < count; index++) driver.offer(this.heads[index]!);
      driver.commit();
      while (ctrl.turn());
      for (let index = 0; index < count; index++) driver.pop();
    }
    if (driver.inFlight !== 0) throw new Error(`${driver.inFlight} commands have no answer`);
  }

  expectAnswered(): void {
    expect(this.answers.map((words) => words[0])).toEqual(this.answers.map(() => Response.OK_NODATA));
  }
}

const repeat = (request: DataView): DataView[] => Array.from({ length: depth }, () => request);

/** Calls that serving makes; the driver's kicks are not among them. */
function callsOf(work: () => void): Record<string, number> {
  const kicksBefore = bench.driver.kicks;
  const calls = countCalls(work);
  const kicks = bench.driver.kicks - kicksBefore;
  if (calls["write"] === kicks) delete calls["write"];
  else if (kicks > 0) calls["write"]! -= kicks;
  return calls;
}

/** Objects on the heap, those included that nothing refers to any more. */
function objectsMade(): number {
  const counts = heapStats().objectTypeCounts as Record<string, number>;
  return Object.values(counts).reduce((sum, count) => sum + count, 0);
}

/** Objects that `work` makes; it must make too few for a collection to run. */
function objectsOf(work: () => void): number {
  const before = objectsMade();
  work();
  return objectsMade() - before;
}

/** Objects a command, from batches of two lengths, so that what a batch makes does not count. */
function objectsPerCommand(load: Load): number {
  const batches = 1_600;
  // Compiled code makes fewer objects than interpreted code does.
  load.run(4 * batches);
  Bun.gc(true);
  const long = objectsOf(() => load.run(batches));
  const short = objectsOf(() => load.run(batches, depth / 2));
  return (long - short) / (batches * (depth / 2));
}

/** What the engine makes for itself, in the worst case; a single object a command would be 1. */
const none = 0.1;

test("the smallest command makes no object and two copies", () => {
  const load = new Load(repeat(commands.flushResource(hidden, area)));
  const objects = objectsPerCommand(load);
  load.expectAnswered();
  expect(objects).toBeLessThan(none);
  expect(callsOf(() => load.run(100))).toEqual({ memcpy: 100 * depth * 2 });
});

test("a driver that waits is interrupted once a batch", () => {
  const load = new Load(repeat(commands.flushResource(hidden, area)));
  expect(callsOf(() => load.run(100, depth, true))).toEqual({ memcpy: 100 * depth * 2, write: 100 });
});

test("a transfer of contiguous rows makes no object and one copy more", () => {
  const backing = bench.guest.allocate(tileBytes);
  expectOk(commands.attachBacking(hidden, [backing]));
  const load = new Load(repeat(commands.transferToHost2d(hidden, area, 0)));
  const objects = objectsPerCommand(load);
  load.expectAnswered();
  expect(objects).toBeLessThan(none);
  expect(callsOf(() => load.run(10))).toEqual({ memcpy: 10 * depth * 3 });
});

test("a transfer of scattered pages makes no object and a copy a page", () => {
  const pages: GuestRange[] = Array.from({ length: tileBytes / pageBytes }, () => {
    const page = bench.guest.allocate(pageBytes);
    bench.guest.allocate(pageBytes);
    return page;
  });
  expectOk(commands.attachBacking(hidden, pages));
  const load = new Load(repeat(commands.transferToHost2d(hidden, area, 0)));
  const objects = objectsPerCommand(load);
  load.expectAnswered();
  expect(objects).toBeLessThan(none);
  expect(callsOf(() => load.run(10))).toEqual({ memcpy: 10 * depth * (2 + pages.length) });
});

test("a transfer of part of each row makes a copy a row", () => {
  expectOk(commands.attachBacking(hidden, [bench.guest.allocate(tileBytes)]));
  const load = new Load(repeat(commands.transferToHost2d(hidden, { ...area, width: tile.width / 2 }, 0)));
  load.run(1);
  load.expectAnswered();
  expect(callsOf(() => load.run(1))).toEqual({ memcpy: depth * (2 + tile.height) });
});

test("a refused command makes no object and two copies", () => {
  const load = new Load(repeat(commands.flushResource(99, area)));
  const objects = objectsPerCommand(load);
  expect(objects).toBeLessThan(none);
  expect(callsOf(() => load.run(100))).toEqual({ memcpy: 100 * depth * 2 });
});

test("a resource that is never drawn to needs no system call", () => {
  const load = new Load(
    Array.from({ length: depth / 2 }, (_, index) => [
      commands.createResource2d(10 + index, Format.B8G8R8X8, tile.width, tile.height),
      commands.unrefResource(10 + index),
    ]).flat(),
  );
  load.run(1);
  load.expectAnswered();
  expect(callsOf(() => load.run(10))).toEqual({ memcpy: 10 * depth * 2 });
});
