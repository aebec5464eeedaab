// Queues that die with chains under way, and those who take their place: each chain is answered once, whatever happens next.
import { afterEach, beforeEach, expect, test } from "bun:test";
import { request } from "../../../lab/driver/commands.ts";
import { KeptWord } from "../../../src/actors/gpu/manifest.ts";
import { gpuDevice } from "../../../src/actors/gpu/device-type.ts";
import { QueueCounter } from "../../../src/actors/queue/counters.ts";
import { PARKED, type Parked, type QueueHandler } from "../../../src/actors/queue/queue-handler.ts";
import { QueueRunner } from "../../../src/actors/queue/queue-runner.ts";
import { Response } from "../../../src/transport/wire/virtio-gpu/protocol.ts";
import { FakeContext, serverConfig } from "../../support/fake-context.ts";
import { readEventfd } from "../../support/fds.ts";
import { QueueBench } from "../../support/queue-bench.ts";

/** One life of a queue, in a process that may die: it does as its record says, and dies with its memory. */
class Life implements QueueHandler {
  readonly context: FakeContext;
  readonly queue: QueueRunner;
  readonly ran: number[] = [];
  parksAll = false;
  private readonly parked: Parked[] = [];
  private readonly memory;

  constructor(keep?: FakeContext["keep"], counters?: Float64Array) {
    this.context = new FakeContext("ctrl-queue", serverConfig("--isolation", "process"), keep);
    if (counters !== undefined) this.context.counters.set(counters);
    const guilty = this.context.keep.subarray(KeptWord.guilty, KeptWord.guilty + 1);
    this.memory = this.context.area("succession", "write");
    const record = { memory: this.memory, guilty };
    this.queue = new QueueRunner(this.context, this, gpuDevice.commands, 4096, record);
  }

  execute(): number {
    this.ran.push(this.queue.request.type);
    if (!this.parksAll) return Response.OK_NODATA;
    this.parked.push(this.queue.park());
    return PARKED;
  }

  reset(): void {}

  finishParked(): void {
    for (const parked of this.parked.splice(0)) this.queue.refuse(parked, Response.ERR_UNSPEC);
  }

  /** Its process is no more: it answers nothing. */
  die(): void {
    this.parked.length = 0;
    this.queue.close();
    this.memory.unmap();
    this.context.close();
  }

  serve(): void {
    while (this.queue.turn());
  }

  receive(message: never): unknown {
    return this.queue.receive(message);
  }
}

let life: Life;
let bench: QueueBench;
let lost: number[];
beforeEach(() => {
  life = new Life();
  const served = {
    receive: (message: never) => life.receive(message),
    turn: () => life.queue.turn(),
    stop: () => life.queue.close(),
  };
  bench = new QueueBench(life.context, served);
  life.parksAll = true;
  lost = [7, 8, 9].map((type) => bench.offer(request(type)));
  life.serve();
});
afterEach(() => {
  for (const one of [...dead.splice(0), life]) one.die();
  bench.driver.close();
  bench.guest.free();
});

const dead: Life[] = [];

/** Another one takes the place of `life`, which is as good as dead: it never stops its ring. */
function succeed(start: Parameters<QueueBench["ringStart"]>[0] = {}): void {
  const { context } = life;
  dead.push(life);
  life = new Life(context.keep, context.counters);
  life.queue.receive(bench.memoryMessage());
  life.queue.receive(bench.ringStart({ base: -1, ...start }));
}

/** Each was answered once, with these. */
function expectAnswers(...types: number[]): void {
  bench.collect();
  expect(bench.answers.map(({ head }) => head)).toEqual(lost);
  expect(bench.answers.map(({ answer }) => answer.type)).toEqual(types);
}

const { OK_NODATA, ERR_UNSPEC } = Response;

test("a ring that stops before its next actor has taken anything is answered what it is owed", () => {
  succeed();
  life.queue.receive({ type: "stop-ring", token: 1 });
  expect(life.context.take("vhost-session").at(-1)).toMatchObject({ type: "ring-stopped", base: 3 });
  expectAnswers(OK_NODATA, OK_NODATA, OK_NODATA);
});

test("so is one that is disabled by then, and one that is disabled later", () => {
  succeed({ enabled: false });
  expectAnswers(OK_NODATA, OK_NODATA, OK_NODATA);
  bench.answers.length = 0;
  life.parksAll = true;
  life.queue.receive({ type: "enable-ring", enabled: true, token: 1 });
  lost = [10, 11].map((type) => bench.offer(request(type)));
  life.serve();

  succeed();
  life.queue.receive({ type: "enable-ring", enabled: false, token: 2 });
  expectAnswers(OK_NODATA, OK_NODATA);
});

test("what one died of is not run by those after the next, where that dies before it answers", () => {
  life.queue.succession!.accuse(lost[1]!);
  succeed();
  succeed();
  life.serve();
  expect(life.ran).toEqual([7, 9]);
  expectAnswers(OK_NODATA, ERR_UNSPEC, OK_NODATA);
});

test("whoever is accused by a word that makes no sense, nobody is harmed", () => {
  for (const head of [64, 2 ** 31 - 2, -1, -7]) {
    life.queue.succession!.accuse(head);
    succeed();
    life.parksAll = true;
  }
  life.parksAll = false;
  life.serve();
  expectAnswers(OK_NODATA, OK_NODATA, OK_NODATA);
});

test("a guest that was not called any more is called", () => {
  life.queue.receive({ type: "stop-ring", token: 1 });
  const called = bench.driver.callFd;
  // Its last words are shown, and the call is lost with it.
  life.queue.receive(bench.ringStart({ base: 3, callFd: -1 }));
  life.parksAll = false;
  bench.offer(request(10));
  life.serve();
  readEventfd(called);

  succeed();
  expect(readEventfd(called)).toBe(1);
});

test("what was parked went with whoever had parked it", () => {
  const parked = (): number => life.context.counters[QueueCounter.parked]!;
  expect(parked()).toBe(3);
  succeed();
  expect(parked()).toBe(0);
  life.serve();
  expect(parked()).toBe(0);
  expectAnswers(OK_NODATA, OK_NODATA, OK_NODATA);
});

test("what is taken again is not done before it has run again", () => {
  succeed();
  const isDone = (): boolean => life.queue.served!.hasTaken(life.queue.served!.offered());
  expect(isDone()).toBe(false);
  life.serve();
  expect(isDone()).toBe(true);
  expectAnswers(OK_NODATA, OK_NODATA, OK_NODATA);
});
