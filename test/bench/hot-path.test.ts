// What a command, and a frame, may cost at most, counted and not timed: objects made, and calls into the C library.
// Every limit is what the code needs today: lower it with the code, and raise it only for a good reason.

import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { heapStats } from "bun:jsc";
import { readFileSync } from "node:fs";
import { CtrlQueue } from "../../src/actors/gpu/ctrl-queue.ts";
import { Shelf } from "../../src/actors/gpu/manifest.ts";
import * as commands from "../../lab/driver/commands.ts";
import { type GuestRange, pageBytes } from "../../lab/driver/guest-memory.ts";
import { Command, Format, Response } from "../../src/transport/wire/virtio-gpu/protocol.ts";
import { countCalls } from "../support/call-counter.ts";
import { closeFd } from "../../src/transport/os/fds.ts";
import { FakeContext, serverConfig } from "../support/fake-context.ts";
import { Stage } from "../actors/display/stage.ts";
import { QueueBench } from "../support/queue-bench.ts";
import { TestTap } from "../support/tap.ts";

/** Commands offered at once: fewer than the device takes before it looks elsewhere. */
const depth = 60;
const tile = { width: 64, height: 64 };
const tileBytes = tile.width * tile.height * 4;
const hidden = 1;
const area = { x: 0, y: 0, ...tile };

let context: FakeContext;
let bench: QueueBench;
let ctrl: CtrlQueue;
let seen: TestTap;

function begin(tap: TestTap["tap"] | null, ...flags: string[]): void {
  context = new FakeContext("ctrl-queue", serverConfig(...flags));
  context.tap = tap;
  ctrl = new CtrlQueue(context);
  bench = new QueueBench(context, ctrl, { size: 256, eventIdx: true });
  expectOk(commands.createResource2d(hidden, Format.B8G8R8X8, tile.width, tile.height));
}

beforeEach(() => {
  seen = new TestTap();
  begin(null);
});

afterEach(() => {
  bench.tell({ type: "reset", token: 1 });
  bench.close();
  seen.close();
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

describe("while somebody reads the tap", () => {
  beforeEach(() => {
    bench.close();
    begin(seen.tap);
  });

  test.each([
    ["that is told", true],
    ["that is only counted", false],
  ])("the smallest command makes no object, %s", (_, isTold) => {
    const load = new Load(repeat(commands.flushResource(hidden, area)));
    const stop = isTold ? seen.keepEmpty() : () => undefined;
    const objects = objectsPerCommand(load);
    stop();
    load.expectAnswered();
    expect(objects).toBeLessThan(none);
    expect(seen.untold(Command.RESOURCE_FLUSH) > 0).toBe(!isTold);
  });

  test("the smallest command reads the clock once, and its batch twice more", () => {
    const load = new Load(repeat(commands.flushResource(hidden, area)));
    const stop = seen.keepEmpty();
    const calls = callsOf(() => load.run(25));
    stop();
    expect(seen.untold(Command.RESOURCE_FLUSH)).toBe(0);
    expect(calls).toEqual({ memcpy: 25 * depth * 2, clock_gettime: 25 * (depth + 2) });
  });

  test("a command that is only counted reads no clock", () => {
    const load = new Load(repeat(commands.flushResource(hidden, area)));
    load.run(200);
    const before = seen.untold(Command.RESOURCE_FLUSH);
    expect(callsOf(() => load.run(100))).toEqual({ memcpy: 100 * depth * 2 });
    expect(seen.untold(Command.RESOURCE_FLUSH) - before).toBe(100 * depth);
  });
});

test("a break that nothing of what comes holds for costs the smallest command no object and no call", () => {
  const filters = [
    "res:9 type:flush",
    "at:70,3 scanout:2",
    "type:transfer fenced",
    "errors ctx:4",
    "fence:3",
  ];
  bench.tell({ type: "set-breaks", breaks: filters.map((filter, holder) => ({ holder, filter })) });
  const load = new Load(repeat(commands.flushResource(hidden, area)));
  const objects = objectsPerCommand(load);
  load.expectAnswered();
  expect(objects).toBeLessThan(none);
  expect(callsOf(() => load.run(100))).toEqual({ memcpy: 100 * depth * 2 });
});

test("a command that is recorded makes no object, and one copy and two looks at the clock more", () => {
  bench.close();
  // Room for all: nobody empties it.
  begin(null, "--record-ring-bytes", String(2 ** 28), "--record-keyframe-bytes", "0");
  bench.tell({ type: "ask-recording-start", token: 1, checksums: false });
  const load = new Load(repeat(commands.flushResource(hidden, area)));
  const objects = objectsPerCommand(load);
  load.expectAnswered();
  expect(objects).toBeLessThan(none);
  const calls = { memcpy: 100 * depth * 3, clock_gettime: 100 * depth * 2 };
  expect(callsOf(() => load.run(100))).toEqual(calls);
  bench.tell({ type: "ask-recording-stop", token: 2 });
  expect(callsOf(() => load.run(100))).toEqual({ memcpy: 100 * depth * 2 });
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

test("a transfer that may be a cursor's image makes no object and one copy more again", () => {
  expectOk(commands.attachBacking(hidden, [bench.guest.allocate(tileBytes)]));
  const shelf = context.area("cursor-shelf", "write");
  const words = new Int32Array(shelf.view(0, Shelf.words * 4));
  bench.tell({ type: "ask-cursor-image", token: 1, resource: hidden, slot: 0 });
  const load = new Load(repeat(commands.transferToHost2d(hidden, area, 0)));
  // As if the cursor queue took one of each batch, which makes the next few worth their copy.
  const run = (batches: number) => {
    for (let batch = 0; batch < batches; batch++) {
      words[Shelf.taken]!++;
      load.run(1);
    }
  };
  run(4_000);
  Bun.gc(true);
  expect(objectsOf(() => run(500)) / (500 * depth)).toBeLessThan(none);
  load.expectAnswered();
  expect(callsOf(() => run(10))).toEqual({ memcpy: 10 * (depth * 3 + 16) });
  shelf.unmap();
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

test("a page flip between two slots of the display makes no object and posts nothing", () => {
  const [front, back] = [2, 3];
  for (const id of [front, back]) {
    expectOk(commands.createResource2d(id, Format.B8G8R8X8, tile.width, tile.height));
    expectOk(commands.attachBacking(id, [bench.guest.allocate(tileBytes)]));
    expectOk(commands.transferToHost2d(id, area, 0));
  }
  const period = context.area("display-period", "write");
  const microseconds = new Int32Array(period.view());
  microseconds[0] = 1_000_000_000;
  expectOk(commands.setScanout(0, front, area));
  context.take("display").forEach((message) => "fd" in message && closeFd(message.fd));
  const flip = [front, back].flatMap((id) => [
    commands.setScanout(0, id, area),
    commands.flushResource(id, area),
  ]);
  const load = new Load(Array.from({ length: depth / flip.length }, () => flip).flat());
  const objects = objectsPerCommand(load);
  load.expectAnswered();
  expect(objects).toBeLessThan(none);
  expect(callsOf(() => load.run(100))).toEqual({ memcpy: 100 * depth * 2 });
  expect(context.take("display")).toEqual([]);
  microseconds[0] = 0;
  period.unmap();
});

describe("a 1080p frame to a VMM that reads", () => {
  const [width, height] = [1920, 1080];
  const whole = { x: 0, y: 0, width, height };
  const pipeBytes = 1024 * 1024;
  const frameBytes = width * height * 4;
  const pieces = Math.ceil(frameBytes / pipeBytes);
  /** What the display asks for, and the kernel doubles. */
  const socketBytes = 2 * Math.min(512 * 1024, Number(readFileSync("/proc/sys/net/core/wmem_max", "utf8")));
  let stage: Stage;
  beforeEach(() => {
    stage = new Stage();
    stage.connect();
  });
  afterEach(() => stage.stop());

  /** Calls of the display alone, and how often it waited for the VMM to read. */
  function flush(): { calls: Record<string, number>; waits: number } {
    const calls: Record<string, number> = {};
    let waits = -1;
    stage.flush(whole);
    for (let sent = -1; sent !== stage.peer.bytes; waits++) {
      sent = stage.peer.bytes;
      const round = countCalls(() => stage.runner.run());
      for (const [name, count] of Object.entries(round)) calls[name] = (calls[name] ?? 0) + count;
      stage.pump.drain();
    }
    return { calls, waits };
  }

  function show(format: number): void {
    const surface = stage.surface(1, width, height, format);
    surface.bytes.fill(0x5a);
    stage.show(surface);
    stage.settle();
  }

  test("is lent in pieces as long as a pipe, with no copy", () => {
    show(Format.B8G8R8X8);
    const { calls, waits } = flush();
    const { sendmsg, vmsplice, splice, epoll_wait: sleeps, ...others } = calls;
    expect({ sendmsg, vmsplice }).toEqual({ sendmsg: 1, vmsplice: pieces });
    // One a piece, and one that finds the socket full.
    expect(splice).toBeLessThanOrEqual(pieces + waits);
    // The runner of this test asks once more whether there is anything.
    expect(sleeps).toBeLessThanOrEqual(2 * (waits + 1));
    expect(waits).toBeLessThanOrEqual(Math.ceil(frameBytes / socketBytes));
    expect(others).toEqual({});
  });

  test("asks the socket how far it is read, where frames have slots", () => {
    stage.stop();
    stage = new Stage(new FakeContext("display", serverConfig("--frame-rate=1000")));
    stage.connect();
    show(Format.B8G8R8X8);
    Bun.sleepSync(5);
    stage.settle();
    const { calls, waits } = flush();
    const { ioctl, epoll_wait: sleeps, splice, ...others } = calls;
    expect(ioctl).toBeLessThanOrEqual(2);
    expect(sleeps).toBeLessThanOrEqual(2 * (waits + 1));
    expect(splice).toBeLessThanOrEqual(pieces + waits);
    expect(others).toEqual({ sendmsg: 1, vmsplice: pieces });
  });

  test("is copied only by the kernel where its format is another", () => {
    show(Format.R8G8B8X8);
    const { calls, waits } = flush();
    const { sendmsg, epoll_wait: sleeps, ...others } = calls;
    expect(sendmsg).toBeLessThanOrEqual(pieces + waits);
    expect(sleeps).toBeLessThanOrEqual(2 * (waits + 1));
    expect(others).toEqual({});
  });
});
