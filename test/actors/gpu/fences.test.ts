// Fenced commands on a real ring, with a renderer that finishes what the test says: numbers that wrap, and alarms.
import { afterEach, describe, expect, test } from "bun:test";
import { CtrlCounter } from "../../../src/actors/gpu/counters.ts";
import { commandName } from "../../../src/actors/gpu/commands/table.ts";
import { type FenceMaker, Fences } from "../../../src/actors/gpu/model/fences.ts";
import { FenceWatch } from "../../../src/actors/gpu/outlets/fence-watch.ts";
import { gpuDevice } from "../../../src/actors/gpu/device-type.ts";
import { Lifecycle } from "../../../src/actors/machines/lifecycle.ts";
import { QueueRunner } from "../../../src/actors/queue/queue-runner.ts";
import { request } from "../../../lab/driver/commands.ts";
import { Command, HeaderFlag, Response } from "../../../src/transport/wire/virtio-gpu/protocol.ts";
import { closeFd, createEventfd, signalEventfd } from "../../../src/transport/os/fds.ts";
import { FakeContext, serverConfig } from "../../support/fake-context.ts";
import { readEventfd } from "../../support/fds.ts";
import { QueueBench } from "../../support/queue-bench.ts";

/** Finishes fences when the test says so. */
class Renderer implements FenceMaker {
  epoch = 1;
  /** Whether everything that was made is done when it is asked. */
  isDone = false;
  polls = 0;
  readonly made: { context: number; ring: number; fence: number }[] = [];
  onFence: (fence: number) => void = () => undefined;
  onContextFence: (context: number, ring: number, fence: number) => void = () => undefined;

  createFence(fence: number): number {
    this.made.push({ context: 0, ring: 0, fence });
    return 0;
  }
  createContextFence(context: number, ring: number, fence: number): number {
    this.made.push({ context, ring, fence });
    return 0;
  }
  poll(): void {
    this.polls++;
    if (!this.isDone) return;
    for (const { context, ring, fence } of this.made.splice(0)) {
      if (context === 0) this.onFence(fence);
      else this.onContextFence(context, ring, fence);
    }
  }
}

let context: FakeContext;
let bench: QueueBench;
let renderer: Renderer;
let fences: Fences;
/** The renderer's, or -1. */
let descriptor: number;
/** As the ctrl queue has it. */
let watch: FenceWatch;

/**
 * Every command is fenced, and gives the renderer work. `last`: how many fences were made before; `pollFd`: a
 * descriptor for the renderer.
 */
function begin(last: number, flags: readonly string[] = [], pollFd = -1): void {
  descriptor = pollFd;
  context = new FakeContext("ctrl-queue", serverConfig(...flags));
  renderer = new Renderer();
  const queue: QueueRunner = new QueueRunner(
    context,
    {
      execute: () => {
        watch.glance();
        renderer.epoch++;
        const hasRing = (queue.request.u32(4) & HeaderFlag.INFO_RING_IDX) !== 0;
        return fences.finish(queue.request, Response.OK_NODATA, hasRing);
      },
      reset: () => undefined,
      finishParked: () => fences.finishAll(),
    },
    gpuDevice.commands,
    4096,
  );
  fences = new Fences(queue, new Lifecycle(context.machines.fence), renderer, last);
  watch = new FenceWatch(context, fences, { pollFd }, commandName);
  const served = {
    receive: (message: never) => queue.receive(message),
    turn: () => queue.turn(),
    stop: () => {
      queue.close();
      watch.close();
    },
  };
  bench = new QueueBench(context, served);
}
afterEach(() => {
  bench.close();
  closeFd(descriptor);
});

const submit = (contextId = 0, ringIndex?: number): number =>
  bench.offer(
    request(Command.SUBMIT_3D, 24, {
      fenceId: 1n,
      contextId,
      ...(ringIndex === undefined ? {} : { ringIndex }),
    }),
  );

/** Everything that was made is done, for now. */
function finish(): void {
  renderer.isDone = true;
  fences.poll();
  renderer.isDone = false;
}

/** Whether the command waits until the renderer is done, and is answered then. */
function waits(head: number): boolean {
  bench.run();
  if (bench.takeAnswer(head) !== null) return false;
  finish();
  bench.collect();
  return bench.takeAnswer(head)?.type === Response.OK_NODATA;
}

describe("fence numbers", () => {
  for (const last of [0, 2 ** 31 - 2, 2 ** 31 + 5, 2 ** 32 - 3]) {
    test(`a ring that is new after ${last} fences waits for the renderer`, () => {
      begin(last);
      for (let ring = 0; ring < 8; ring++) expect(waits(submit(1, ring))).toBe(true);
    });

    test(`the device timeline after ${last} fences waits for the renderer`, () => {
      begin(last);
      for (let count = 0; count < 8; count++) expect(waits(submit())).toBe(true);
    });
  }

  test("a ring that was idle for 2^31 fences of others waits for the renderer", () => {
    begin(0);
    expect(waits(submit(1, 3))).toBe(true);
    // Others make fences, as many as a ring at rest must not take for its own past.
    Object.assign(fences, { last: 2 ** 31 + 5 });
    expect(waits(submit(1, 3))).toBe(true);
    expect(waits(submit())).toBe(true);
  });

  test("fence zero is nobody's", () => {
    begin(2 ** 32 - 2);
    for (let count = 0; count < 3; count++) submit();
    bench.run();
    expect(renderer.made.map(({ fence }) => fence)).toEqual([2 ** 32 - 1, 1, 2]);
    finish();
    expect(fences.pending).toBe(0);
  });
});

describe("answers", () => {
  test("come as soon as the renderer's descriptor wakes the ctrl queue, which nobody else does", () => {
    begin(0, [], createEventfd());
    const head = submit();
    bench.run();
    renderer.isDone = true;
    bench.run();
    expect(bench.takeAnswer(head)).toBeNull();
    signalEventfd(descriptor);
    bench.run();
    expect(bench.takeAnswer(head)?.type).toBe(Response.OK_NODATA);
  });

  test("come while commands keep the ctrl queue awake", () => {
    begin(0);
    const first = submit();
    bench.run();
    renderer.isDone = true;
    Bun.sleepSync(1);
    submit();
    while (bench.served.turn());
    bench.collect();
    expect(bench.takeAnswer(first)?.type).toBe(Response.OK_NODATA);
  });

  test("are waited for without a sleep after a short picture, and not after a long one", () => {
    begin(0);
    for (let count = 0; count < 2; count++) submit();
    bench.run();
    // A machine that is busy makes any picture a long one.
    fences.lastWaitMs = 0.02;
    watch.linger(() => false);
    expect(renderer.polls).toBeGreaterThan(0);
    expect(watch.yields).toBe(false);
    Bun.sleepSync(1);
    finish();
    expect(fences.lastWaitMs).toBeGreaterThan(1);
    submit();
    bench.run();
    renderer.polls = 0;
    watch.linger(() => false);
    expect(renderer.polls).toBe(0);
    expect(watch.yields).toBe(true);
    finish();
    expect(watch.yields).toBe(false);
  });

  test("that are done together are one interrupt, and commands that wait are none", () => {
    begin(0);
    const heads = Array.from({ length: 16 }, () => submit());
    readEventfd(bench.driver.callFd);
    bench.run();
    fences.poll();
    expect(readEventfd(bench.driver.callFd)).toBe(0);
    renderer.isDone = true;
    fences.poll();
    expect(readEventfd(bench.driver.callFd)).toBe(1);
    fences.poll();
    expect(readEventfd(bench.driver.callFd)).toBe(0);
    bench.collect();
    for (const head of heads) expect(bench.takeAnswer(head)?.type).toBe(Response.OK_NODATA);
  });
});

test("alarms of a whole ring are counted and ten are told", async () => {
  begin(0, ["--fence-alarm-ms", "1"]);
  for (let count = 0; count < 30; count++) submit();
  bench.run();
  await Bun.sleep(5);
  watch.check();
  watch.check();
  expect(context.counters[CtrlCounter.fencesStuck]).toBe(30);
  expect(
    context.logged.filter(({ text }) => text.startsWith("SUBMIT_3D of context 0 is stuck")),
  ).toHaveLength(10);
  finish();
  expect(fences.pending).toBe(0);
});
