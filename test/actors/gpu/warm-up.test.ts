// The rehearsal before the first guest: it runs commands that succeed, and leaves nothing behind.
import { afterEach, beforeEach, expect, test } from "bun:test";
import { CtrlQueue } from "../../../src/actors/gpu/ctrl-queue.ts";
import { CtrlCounter } from "../../../src/actors/gpu/counters.ts";
import type { CtrlQueueMessage } from "../../../src/actors/gpu/messages.ts";
import { QueueCounter } from "../../../src/actors/queue/counters.ts";
import { FakeContext, serverConfig } from "../../support/fake-context.ts";
import * as commands from "../../../lab/driver/commands.ts";
import { Format, Response } from "../../../src/transport/wire/virtio-gpu/protocol.ts";
import { QueueBench } from "../../support/queue-bench.ts";
import { TestTap } from "../../support/tap.ts";

let context: FakeContext;
let ctrl: CtrlQueue;
let seen: TestTap;
const countedBefore = 3;

beforeEach(() => {
  context = new FakeContext("ctrl-queue", serverConfig("--renderer", "software"));
  seen = new TestTap();
  context.tap = seen.tap;
  ctrl = new CtrlQueue(context);
  seen.take();
  // As of a predecessor.
  context.counters[QueueCounter.interrupts] = countedBefore;
  ctrl.receive({ type: "expect-driver" }, "vhost-session");
});
afterEach(() => {
  context.close();
  seen.close();
});

/** Most of each counter while turns are taken until `done`. */
function watch(done: () => boolean): Float64Array {
  const most = new Float64Array(64);
  const { set } = context.counters;
  context.counters.set = (values) => {
    context.counters.forEach((count, index) => (most[index] = Math.max(most[index]!, count)));
    set.call(context.counters, values);
  };
  const end = performance.now() + 5_000;
  while (!done() && performance.now() < end) {
    context.timers.runDue();
    ctrl.turn();
  }
  return most;
}

test("commands run that all succeed, and of them is nothing left", () => {
  let isBusy = false;
  const most = watch(() => {
    const wasBusy = isBusy;
    isBusy = ctrl.turn();
    return wasBusy && !isBusy;
  });
  expect(most[QueueCounter.commands]).toBeGreaterThan(1_000);
  expect(most[QueueCounter.errors]).toBe(0);
  expect(most[QueueCounter.malformedChains]).toBe(0);
  const before = new Float64Array(64);
  before[QueueCounter.interrupts] = countedBefore;
  expect(context.counters).toEqual(before);
  const told = context.sent.map(({ to, message }) => `${to} ${message.type}`);
  expect(new Set(told)).toEqual(
    new Set(["vhost-session offer", "vhost-session done", "vhost-session ring-stopped"]),
  );
  expect(seen.take("taken", "moved", "published")).toEqual([]);
  ctrl.stop();
});

test("a guest ends it amid a resource's life, and that is gone", () => {
  let commandsRun = 0;
  // The sixth of a batch is within a life.
  context.isRung = () => ++commandsRun === 6;
  context.drain = () => ctrl.receive({ type: "stop-ring", token: 1 }, "vhost-session");
  ctrl.turn();
  expect(commandsRun).toBeGreaterThanOrEqual(6);
  ctrl.receive({ type: "ask-inventory", token: 2 }, "inspector");
  expect(context.sent.at(-1)).toMatchObject({ to: "inspector", message: { resources: [] } });
  ctrl.stop();
});

test("a guest ends it, and finds nothing of it", () => {
  watch(() => ctrl.turn());
  const fromSession = (message: CtrlQueueMessage): void => ctrl.receive(message, "vhost-session");
  const bench = new QueueBench(context, {
    receive: fromSession as (message: never) => void,
    turn: () => ctrl.turn(),
    stop: () => ctrl.stop(),
  });
  const create = commands.createResource2d(1, Format.B8G8R8X8, 16, 16);
  bench.offer(create);
  bench.run();
  expect(bench.answers.map(({ answer }) => answer.type)).toEqual([Response.OK_NODATA]);
  expect(context.counters[QueueCounter.commands]).toBe(1);
  expect(context.counters[CtrlCounter.resources]).toBe(1);
  const told = seen.take("taken", "moved").map(({ kind, command }) => `${kind} ${command}`);
  expect(told).toEqual(["taken 1", "moved 1"]);
  bench.close();
});
