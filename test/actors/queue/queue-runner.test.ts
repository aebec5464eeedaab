// The loop that both queues share: batches, malformed requests, parked answers, and the session's messages in between.
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { gpuDevice } from "../../../src/actors/gpu/device-type.ts";
import type { CommandForm } from "../../../src/actors/queue/command-form.ts";
import { QueueCounter } from "../../../src/actors/queue/counters.ts";
import { PARKED, type Parked, type QueueHandler } from "../../../src/actors/queue/queue-handler.ts";
import { QueueRunner } from "../../../src/actors/queue/queue-runner.ts";
import { request } from "../../../lab/driver/commands.ts";
import { closeFd, createEventfd, createMemfd, duplicateFd } from "../../../src/transport/os/fds.ts";
import { NativeMemory } from "../../../src/transport/os/native-memory.ts";
import { Response } from "../../../src/transport/wire/virtio-gpu/protocol.ts";
import { inflightBytes } from "../../../src/transport/virtio/layout.ts";
import { FakeContext, serverConfig } from "../../support/fake-context.ts";
import { openFds, readEventfd } from "../../support/fds.ts";
import { type BenchOptions, QueueBench, untouched } from "../../support/queue-bench.ts";

const page = 4096;
const commandBytes = 8192;

/** Answers OK, keeps what it was asked, and parks what the test says. */
class Handler implements QueueHandler {
  queue!: QueueRunner;
  readonly ran: { type: number; length: number }[] = [];
  readonly parked: Parked[] = [];
  parkNext = 0;
  resets = 0;
  finished = 0;
  memoryChanges = 0;
  answer: number = Response.OK_NODATA;
  onExecute: () => void = () => undefined;

  execute(): number {
    const { type, length } = this.queue.request;
    this.ran.push({ type, length });
    this.onExecute();
    if (this.parkNext > 0) {
      this.parkNext--;
      this.parked.push(this.queue.park());
      return PARKED;
    }
    return this.answer;
  }

  memoryChanged(): void {
    this.memoryChanges++;
  }

  reset(): void {
    this.resets++;
  }

  finishParked(): void {
    this.finished++;
    for (const parked of this.parked.splice(0)) this.queue.refuse(parked, Response.ERR_UNSPEC);
  }
}

let context: FakeContext;
let handler: Handler;
let queue: QueueRunner;
let bench: QueueBench;
afterEach(() => bench.close());

function begin(options: BenchOptions = {}, ...flags: string[]): void {
  context = new FakeContext("ctrl-queue", serverConfig(...flags));
  handler = new Handler();
  queue = new QueueRunner(context, handler, gpuDevice.commands, commandBytes);
  handler.queue = queue;
  const served = {
    receive: (message: never) => queue.receive(message),
    turn: () => queue.turn(),
    stop: () => queue.close(),
  };
  bench = new QueueBench(context, served, options);
}

const counter = (name: keyof typeof QueueCounter): number => context.counters[QueueCounter[name]]!;

describe("commands", () => {
  beforeEach(() => begin());

  test("each is run once, in order, and answered", () => {
    const heads = [1, 2, 3].map((type) => bench.offer(request(type, 24 + type)));
    bench.run();

    expect(handler.ran).toEqual([
      { type: 1, length: 25 },
      { type: 2, length: 26 },
      { type: 3, length: 27 },
    ]);
    for (const head of heads)
      expect(bench.takeAnswer(head)).toMatchObject({ length: 24, type: Response.OK_NODATA });
    expect(counter("commands")).toBe(3);
    expect(counter("errors")).toBe(0);
  });

  test("more than a batch are all run", () => {
    for (let round = 0; round < 5; round++) {
      for (let count = 0; count < 32; count++) bench.offer(request(1));
      bench.run();
    }

    expect(handler.ran).toHaveLength(160);
    expect(bench.answers).toHaveLength(160);
  });

  test("a fence is echoed with its id of 64 bits and its context", () => {
    const fenced = request(1, 24, {
      fenceId: 0xfedc_ba98_7654_3210n,
      contextId: 77,
      ringIndex: 5,
      flags: 0xf0,
    });

    expect(bench.command(fenced)).toMatchObject({
      flags: 3,
      fenceId: 0xfedc_ba98_7654_3210n,
      contextId: 77,
    });
  });

  test("without a fence nothing is echoed", () => {
    const answer = bench.command(request(1, 24, { contextId: 77, flags: 4 }));

    expect(answer).toMatchObject({ flags: 0, fenceId: 0n, contextId: 0 });
  });

  test("an error has a header only, and is counted", () => {
    handler.answer = Response.ERR_INVALID_PARAMETER;
    handler.onExecute = () => (queue.responseBytes = 400);

    const answer = bench.command(request(1));

    expect(answer).toMatchObject({ type: Response.ERR_INVALID_PARAMETER, length: 24 });
    expect(answer.bytes[24]).toBe(untouched);
    expect(counter("errors")).toBe(1);
  });

  test("a response is cut where there is less room", () => {
    for (const room of [0, 1, 23]) {
      const answer = bench.command(request(1), room);
      expect(answer.length).toBe(room);
    }
    expect(handler.ran).toHaveLength(3);
  });

  test("a header may be scattered byte by byte", () => {
    const answer = bench.command(
      request(9, 40, { fenceId: 5n }),
      24,
      Array.from({ length: 24 }, () => 1),
    );

    expect(handler.ran).toEqual([{ type: 9, length: 40 }]);
    expect(answer.fenceId).toBe(5n);
  });
});

describe("mistakes of the guest", () => {
  beforeEach(() => begin());

  test("a request that is shorter than a header is refused without being run", () => {
    for (const length of [0, 1, 23]) {
      const answer = bench.command(
        request(1, 24, { fenceId: 9n }).buffer.slice(0, length) as never as Uint8Array,
      );
      expect(answer).toMatchObject({ type: Response.ERR_UNSPEC, length: 24, flags: 0, fenceId: 0n });
    }
    expect(handler.ran).toEqual([]);
    expect(counter("errors")).toBe(3);
  });

  test("a request of the longest length is run, a longer one refused with its fence", () => {
    expect(bench.command(request(1, commandBytes)).type).toBe(Response.OK_NODATA);
    const answer = bench.command(request(1, commandBytes + 1, { fenceId: 9n }));

    expect(answer).toMatchObject({ type: Response.ERR_OUT_OF_MEMORY, flags: 1, fenceId: 9n });
    expect(handler.ran).toHaveLength(1);
    expect(context.logged.at(-1)!.text).toBe(
      `command of ${commandBytes + 1} bytes is longer than any of this ring`,
    );
  });

  test("a malformed chain is answered where there is room, and counted", () => {
    const room = bench.guest.allocate(64, 16);
    bench.driver.raw.descriptor(10, room.address, 24, 3, 11);
    bench.driver.raw.descriptor(11, 2 ** 40, 24, 2);
    bench.driver.raw.offer(10);
    bench.driver.raw.availIndex(1);
    bench.run();

    expect(handler.ran).toEqual([]);
    expect(new DataView(room.bytes.slice().buffer).getUint32(0, true)).toBe(Response.ERR_UNSPEC);
    expect(counter("malformedChains")).toBe(1);
    expect(bench.answers[0]!.answer.length).toBe(24);
    expect(context.logged[0]!.text).toBe("descriptor chain 10 names memory outside of the guest's");
  });

  test("a malformed chain with too little room is returned empty", () => {
    const room = bench.guest.allocate(64, 16);
    room.bytes.fill(untouched);
    bench.driver.raw.descriptor(10, room.address, 23, 3, 11);
    bench.driver.raw.descriptor(11, 2 ** 40, 24, 2);
    bench.driver.raw.offer(10);
    bench.driver.raw.availIndex(1);
    bench.run();

    expect(bench.answers[0]!.answer.length).toBe(0);
    expect(room.bytes.every((byte) => byte === untouched)).toBe(true);
  });

  test("a head that does not exist is skipped, counted and not returned", () => {
    bench.driver.raw.offer(64);
    const head = bench.offer(request(1));
    bench.run();

    expect(bench.takeAnswer(head)!.type).toBe(Response.OK_NODATA);
    expect(bench.answers).toEqual([]);
    expect(counter("malformedChains")).toBe(1);
  });

  test("a flood of mistakes is logged ten times a second", () => {
    for (let count = 0; count < 60; count++) {
      bench.driver.raw.descriptor(count, 2 ** 40, 24, 0);
      bench.driver.raw.offer(count);
    }
    bench.driver.raw.availIndex(60);
    bench.run();

    expect(counter("malformedChains")).toBe(60);
    expect(context.logged).toHaveLength(10);
  });

  test("an avail index that jumps breaks the ring once: it is logged, counted and told to the VMM", () => {
    bench.driver.raw.availIndex(65);
    bench.run();
    bench.driver.raw.availIndex(1);
    bench.run();

    expect(counter("brokenRings")).toBe(1);
    expect(readEventfd(bench.driver.errFd)).toBe(1);
    expect(context.take("vhost-session").at(-1)).toEqual({ type: "ring-broken", actor: "ctrl-queue" });
    expect(handler.ran).toEqual([]);
    expect(queue.turn()).toBe(false);
  });

  test("what was run before the index jumped is answered", () => {
    const head = bench.offer(request(1));
    handler.onExecute = () => bench.driver.raw.availIndex(1000);
    bench.run();

    expect(bench.takeAnswer(head)!.type).toBe(Response.OK_NODATA);
    expect(counter("brokenRings")).toBe(1);
  });

  test("a chain that is parked again and again stops the ring when it is as often as there are descriptors", () => {
    handler.parkNext = Infinity;
    const head = bench.offer(request(1));
    for (let count = 0; count < 200; count++) {
      bench.run();
      if (counter("brokenRings") > 0) break;
      bench.driver.raw.offer(head);
      bench.driver.commit();
    }

    expect(counter("parked")).toBe(64);
    expect(counter("brokenRings")).toBe(1);
    expect(context.logged.map(({ text }) => text)).toEqual([
      "more chains are under way than there are descriptors: this ring is stopped",
    ]);
    expect(readEventfd(bench.driver.errFd)).toBe(1);
    // What the driver was not promised is answered when it goes.
    bench.stopRing();
    expect(counter("parked")).toBe(0);
  });

  test("a broken ring that is set up again runs", () => {
    bench.driver.raw.availIndex(65);
    bench.run();
    bench.stopRing();
    bench.driver.reset(0);
    expect(bench.ask(bench.ringStart())).toBe("");

    expect(bench.command(request(1)).type).toBe(Response.OK_NODATA);
  });
});

describe("parked requests", () => {
  beforeEach(() => begin());

  test("others overtake a parked one, which keeps its own fence", () => {
    handler.parkNext = 1;
    const first = bench.offer(request(1, 24, { fenceId: 11n }));
    const second = bench.offer(request(2, 24, { fenceId: 22n }));
    bench.run();
    expect(bench.takeAnswer(first)).toBeNull();
    expect(bench.takeAnswer(second)!.fenceId).toBe(22n);
    expect(counter("parked")).toBe(1);

    queue.succeed(handler.parked.pop()!);
    bench.collect();

    expect(bench.takeAnswer(first)).toMatchObject({ type: Response.OK_NODATA, fenceId: 11n, length: 24 });
    expect(counter("parked")).toBe(0);
    expect(readEventfd(bench.driver.callFd)).toBeGreaterThan(0);
  });

  test("completing one while another command runs does not lend its fence to that command", () => {
    handler.parkNext = 1;
    const first = bench.offer(request(1, 24, { fenceId: 11n }));
    bench.run();
    handler.onExecute = () => queue.succeed(handler.parked.pop()!);

    const second = bench.command(request(2, 24, { fenceId: 22n, contextId: 3 }));

    expect(second).toMatchObject({ type: Response.OK_NODATA, fenceId: 22n, contextId: 3 });
    expect(bench.takeAnswer(first)!.fenceId).toBe(11n);
  });

  test("a body is sent as long as it is said to be", () => {
    handler.parkNext = 1;
    const head = bench.offer(request(1));
    bench.run();
    queue.request.responseWords.fill(0x01010101, 6, 100);
    queue.complete(handler.parked.pop()!, Response.OK_DISPLAY_INFO, 400);
    bench.collect();

    const answer = bench.takeAnswer(head)!;
    expect(answer.length).toBe(400);
    expect([answer.bytes[24], answer.bytes[399], answer.bytes[400]]).toEqual([1, 1, untouched]);
  });

  test("a parked error is counted", () => {
    handler.parkNext = 1;
    bench.offer(request(1));
    bench.run();
    queue.refuse(handler.parked.pop()!, Response.ERR_INVALID_RESOURCE_ID);

    expect(counter("errors")).toBe(1);
  });

  test("stopping the ring answers every one of them first", () => {
    handler.parkNext = 2;
    const heads = [bench.offer(request(1)), bench.offer(request(1)), bench.offer(request(1))];
    bench.run();

    expect(bench.stopRing()).toBe(3);
    bench.collect();

    expect(heads.map((head) => bench.takeAnswer(head)!.type)).toEqual([
      Response.ERR_UNSPEC,
      Response.ERR_UNSPEC,
      Response.OK_NODATA,
    ]);
    expect(handler.finished).toBe(1);
  });
});

describe("the session's messages", () => {
  beforeEach(() => begin());

  test("a ring that could not be started says where it was to go on", () => {
    bench.command(request(1));
    bench.command(request(1));
    expect(bench.ask(bench.ringStart({ base: -1, used: 3 }))).toContain("misaligned");
    expect(bench.stopRing()).toBe(2);
    expect(bench.ask(bench.ringStart({ base: 7, used: 3 }))).toContain("misaligned");
    expect(bench.stopRing()).toBe(7);
  });

  test("a ring that starts at zero resets the device, one that goes on does not", () => {
    expect(handler.resets).toBe(1);
    bench.command(request(1));
    const base = bench.stopRing();
    bench.ask(bench.ringStart({ base }));

    expect(base).toBe(1);
    expect(handler.resets).toBe(1);
    bench.command(request(1));
    bench.stopRing();
    bench.driver.reset(0);
    bench.ask(bench.ringStart());
    expect(handler.resets).toBe(2);
  });

  test("a disabled ring takes nothing until it is enabled", () => {
    bench.ask({ type: "enable-ring", enabled: false, token: bench.nextToken() });
    const head = bench.offer(request(1));
    bench.run();
    expect(handler.ran).toEqual([]);

    bench.ask({ type: "enable-ring", enabled: true, token: bench.nextToken() });
    bench.run();

    expect(bench.takeAnswer(head)).not.toBeNull();
  });

  test("what is parked when the ring is disabled is answered then, and nothing is written when it stops", () => {
    handler.parkNext = 1;
    const head = bench.offer(request(1));
    bench.run();
    bench.ask({ type: "enable-ring", enabled: false, token: 1 });
    bench.collect();
    expect(bench.takeAnswer(head)?.type).toBe(Response.ERR_UNSPEC);

    // The driver is gone: another one has its memory, and its ring begins at zero there.
    bench.driver.reset(0);
    bench.stopRing();
    expect(bench.driver.raw.usedIndex()).toBe(0);
  });

  test("a ring that starts disabled waits too", () => {
    bench.stopRing();
    bench.ask(bench.ringStart({ enabled: false }));
    bench.offer(request(1));
    bench.run();

    expect(handler.ran).toEqual([]);
  });

  test("a ring that is stopped in the middle of a batch stops there and loses nothing", () => {
    for (let count = 0; count < 5; count++) bench.offer(request(count + 1));
    handler.onExecute = () => {
      if (handler.ran.length !== 2) return;
      context.arriving.push(() => bench.tell({ type: "stop-ring", token: 5 }));
    };
    bench.run();

    expect(context.take("vhost-session").at(-1)).toEqual({ type: "ring-stopped", token: 5, base: 2 });
    expect(handler.ran).toHaveLength(2);
    expect(bench.answers).toHaveLength(2);
    bench.ask(bench.ringStart({ base: 2 }));
    bench.run();
    expect(handler.ran.map(({ type }) => type)).toEqual([1, 2, 3, 4, 5]);
    expect(bench.answers).toHaveLength(5);
  });

  test("a ring that is disabled in the middle of a batch stops there", () => {
    for (let count = 0; count < 5; count++) bench.offer(request(1));
    handler.onExecute = () => {
      context.arriving.push(() => bench.tell({ type: "enable-ring", enabled: false, token: 5 }));
    };
    bench.run();

    expect(handler.ran).toHaveLength(1);
    expect(bench.answers).toHaveLength(1);
  });

  test("stopping what never started answers zero", () => {
    bench.stopRing();

    expect(bench.stopRing()).toBe(0);
  });

  test("another call descriptor is called at once, for the call that the old one may have swallowed", () => {
    const fd = createEventfd();
    bench.command(request(1));
    expect(readEventfd(bench.driver.callFd)).toBe(1);
    bench.tell({ type: "set-ring-call", callFd: duplicateFd(fd) });
    expect(readEventfd(fd)).toBe(1);

    bench.command(request(1));

    expect(readEventfd(fd)).toBe(1);
    expect(readEventfd(bench.driver.callFd)).toBe(0);
    closeFd(fd);
  });

  for (const eventIdx of [false, true]) {
    test(`another call descriptor is not called for nothing, EVENT_IDX ${eventIdx ? "on" : "off"}`, () => {
      bench.close();
      begin({ eventIdx });
      const fd = createEventfd();
      bench.tell({ type: "set-ring-call", callFd: duplicateFd(fd) });
      expect(readEventfd(fd)).toBe(0);
      if (eventIdx) {
        bench.command(request(1));
        readEventfd(fd);
        // It has seen the answer, and waits for the next.
        bench.driver.enableCall();
        bench.tell({ type: "set-ring-call", callFd: duplicateFd(fd) });
        expect(readEventfd(fd)).toBe(0);
      }
      closeFd(fd);
    });
  }

  test("without a call descriptor commands are served all the same", () => {
    bench.tell({ type: "set-ring-call", callFd: -1 });

    expect(bench.command(request(1)).type).toBe(Response.OK_NODATA);
  });

  test("descriptors for a ring that does not run are closed", () => {
    bench.stopRing();
    const before = openFds();
    bench.tell({ type: "set-ring-call", callFd: createEventfd() });
    expect(openFds()).toBe(before);

    bench.tell({ type: "set-ring-err", errFd: createEventfd() });
    bench.ask(bench.ringStart());
    bench.stopRing();
    expect(openFds()).toBe(before);
  });

  test("a stopped ring keeps no descriptor", () => {
    bench.stopRing();
    const before = openFds();

    for (let round = 0; round < 20; round++) {
      bench.ask(bench.ringStart());
      bench.command(request(1));
      bench.stopRing();
      bench.driver.reset(0);
    }

    expect(openFds()).toBe(before);
  });

  test("a ring that cannot start says why and keeps no descriptor", () => {
    bench.stopRing();
    const before = openFds();

    expect(bench.ask(bench.ringStart({ desc: 2 ** 40 }))).toMatch(
      /descriptor table .* outside of guest memory/,
    );
    expect(bench.ask(bench.ringStart({ used: 6 }))).toMatch(/used ring .* is misaligned/);
    const inflightFd = createMemfd("small", 64);
    expect(bench.ask(bench.ringStart({ inflightFd, inflightNum: 64 }))).toMatch(/outside of its file/);
    expect(openFds()).toBe(before);
    bench.ask(bench.ringStart());
    expect(bench.command(request(1)).type).toBe(Response.OK_NODATA);
  });

  test("a kick descriptor that cannot be watched keeps the ring from starting", () => {
    bench.stopRing();
    const before = openFds();

    expect(bench.ask(bench.ringStart({ kickFd: createMemfd("no-eventfd", 64) }))).toMatch(/EPERM/);

    expect(openFds()).toBe(before);
    bench.offer(request(1));
    bench.run();
    expect(handler.ran).toEqual([]);
  });

  test("a ring that starts while another runs replaces it", () => {
    bench.command(request(1));
    const before = openFds();

    expect(bench.ask(bench.ringStart({ base: -1 }))).toBe("");

    expect(openFds()).toBe(before);
    expect(handler.resets).toBe(1);
    expect(bench.command(request(1)).type).toBe(Response.OK_NODATA);
  });

  test("a reset stops the ring and resets the device", () => {
    bench.command(request(1));
    expect(bench.ask({ type: "reset", token: bench.nextToken() })).toBe("");

    expect(handler.resets).toBe(2);
    bench.offer(request(1));
    bench.run();
    expect(handler.ran).toHaveLength(1);
  });

  test("a bug in the handler goes on up, whatever the session asked for", () => {
    const bug = (): never => {
      throw new TypeError("a bug");
    };
    const { reset } = handler;
    handler.reset = bug;
    expect(() => bench.tell(bench.ringStart())).toThrow(TypeError);
    expect(() => bench.tell({ type: "reset", token: 1 })).toThrow(TypeError);
    handler.memoryChanged = bug;
    expect(() => bench.tell(bench.memoryMessage())).toThrow(TypeError);
    expect(context.take("vhost-session").filter(({ type }) => type === "done")).toHaveLength(2);
    handler.reset = reset;
  });

  test("messages that are not the ring's are left to the actor", () => {
    expect(queue.receive({ type: "fences-signalled" })).toBe(false);
  });
});

describe("the inflight record", () => {
  test("commands of a queue that died are run again by its successor", () => {
    begin();
    const size = bench.driver.size;
    const fd = createMemfd("inflight", inflightBytes(size));
    bench.stopRing();
    bench.driver.reset(0);
    bench.ask(bench.ringStart({ inflightFd: duplicateFd(fd), inflightNum: size }));
    handler.parkNext = 1;
    const lost = bench.offer(request(7, 24, { fenceId: 7n }));
    bench.offer(request(8));
    bench.run();

    // The first queue is as good as dead: it never stops its ring.
    const heir = new FakeContext("ctrl-queue");
    const heirHandler = new Handler();
    const successor = new QueueRunner(heir, heirHandler, gpuDevice.commands, commandBytes);
    heirHandler.queue = successor;
    successor.receive(bench.memoryMessage());
    successor.receive(bench.ringStart({ inflightFd: duplicateFd(fd), inflightNum: size, base: -1 }));
    while (successor.turn());
    bench.collect();

    expect(heirHandler.ran.map(({ type }) => type)).toEqual([7]);
    expect(bench.takeAnswer(lost)!.fenceId).toBe(7n);
    handler.parked.length = 0;
    successor.close();
    heir.close();
    closeFd(fd);
  });
});

describe("memory", () => {
  const layout = [
    { guestAddress: 0, size: 4 * 2 ** 20 },
    { guestAddress: 2 ** 32, size: 2 ** 20 },
  ];
  beforeEach(() => begin({ layout }));

  test("a table that maps everything anew does not disturb the ring", () => {
    bench.command(request(1));
    for (let round = 0; round < 5; round++) {
      expect(bench.ask(bench.memoryMessage())).toBe("");
      expect(bench.command(request(1)).type).toBe(Response.OK_NODATA);
    }
    expect(handler.memoryChanges).toBe(6);
  });

  test("descriptors of regions are closed, mapped or not", () => {
    const before = openFds();
    bench.ask(bench.memoryMessage());
    expect(openFds()).toBe(before);
    const bad = bench.memoryMessage() as Extract<
      ReturnType<typeof bench.memoryMessage>,
      { type: "map-memory" }
    >;
    bad.regions[1]!.size = 2 ** 40;

    expect(bench.ask(bad)).toMatch(/outside of its file/);
    expect(openFds()).toBe(before);
  });

  test("a ring whose memory goes waits, and goes on when it is back", () => {
    bench.command(request(1));
    expect(bench.ask(bench.memoryMessage([bench.guest.regions[1]!]))).toBe("");
    bench.offer(request(2));
    bench.run();
    expect(handler.ran).toHaveLength(1);
    expect(context.logged.at(-1)!.text).toContain("descriptor table");

    bench.ask(bench.memoryMessage());
    bench.run();

    expect(handler.ran.map(({ type }) => type)).toEqual([1, 2]);
    expect(bench.answers).toHaveLength(1);
  });

  test("memory that goes in the middle of a batch loses no command", () => {
    for (let count = 1; count <= 5; count++) bench.offer(request(count));
    handler.onExecute = () => {
      if (handler.ran.length !== 2) return;
      const gone = bench.memoryMessage([bench.guest.regions[1]!]);
      context.arriving.push(() => bench.tell(gone));
    };
    bench.run();
    expect(handler.ran).toHaveLength(2);

    bench.ask(bench.memoryMessage());
    bench.run();

    expect(handler.ran.map(({ type }) => type)).toEqual([1, 2, 3, 4, 5]);
    expect(bench.stopRing()).toBe(5);
    expect(bench.answers).toHaveLength(5);
  });

  test("a request that was taken before its memory went is answered when its response is mapped again", () => {
    handler.parkNext = 1;
    const head = bench.offer(request(1));
    bench.run();

    bench.ask(bench.memoryMessage());
    queue.succeed(handler.parked.pop()!);
    bench.collect();

    expect(bench.takeAnswer(head)!.type).toBe(Response.OK_NODATA);
  });

  test("an answer that comes while the ring's memory is away is given when it is back", () => {
    handler.parkNext = 2;
    const heads = [bench.offer(request(1)), bench.offer(request(2))];
    bench.run();
    bench.ask(bench.memoryMessage([bench.guest.regions[1]!]));

    const [first, second] = handler.parked.splice(0);
    queue.request.responseWords[6] = 0x1234_5678;
    queue.complete(first!, Response.OK_CAPSET, 28);
    queue.request.responseWords[6] = 0;
    queue.refuse(second!, Response.ERR_UNSPEC);
    bench.collect();
    expect(bench.answers).toEqual([]);
    bench.ask(bench.memoryMessage());
    bench.collect();

    const [one, other] = heads.map((head) => bench.takeAnswer(head)!);
    expect(one).toMatchObject({ type: Response.OK_CAPSET, length: 28 });
    expect([...one!.bytes.subarray(24, 28)]).toEqual([0x78, 0x56, 0x34, 0x12]);
    expect(other).toMatchObject({ type: Response.ERR_UNSPEC, length: 24 });
    expect(counter("parked")).toBe(0);
  });

  test("answers that are held when the ring is stopped are nobody's, and are forgotten", () => {
    handler.parkNext = 1;
    bench.offer(request(1));
    bench.run();
    bench.ask(bench.memoryMessage([bench.guest.regions[1]!]));
    queue.succeed(handler.parked.pop()!);

    bench.stopRing();
    bench.ask(bench.memoryMessage());
    bench.tell(bench.ringStart());
    bench.collect();

    expect(bench.answers).toEqual([]);
    expect(counter("parked")).toBe(0);
  });
});

describe("the dirty log", () => {
  test("responses and the used ring are logged from the message on, and no longer after its end", () => {
    begin();
    const fd = createMemfd("log", page);
    const shared = NativeMemory.mapShared(fd, 0, page, "write");
    const bits = new Uint8Array(shared.view());
    const isDirty = (address: number): boolean => {
      const at = Math.floor(address / page);
      return (bits[at >> 3]! & (1 << (at & 7))) !== 0;
    };
    const used = bench.driver.used.address;

    bench.command(request(1));
    expect(bits.every((byte) => byte === 0)).toBe(true);
    bench.ask({ type: "log-pages", fd: duplicateFd(fd), offset: 0, size: page, token: 1 });
    bench.tell({ type: "log-ring", usedLog: used });
    const buffer = bench.guest.allocate(2 * page);
    const head = bench.driver.add(
      [{ address: buffer.address, length: 24 }],
      [{ address: buffer.address + page, length: 24 }],
    );
    bench.guest.bytesAt(buffer.address, 24).set(new Uint8Array(request(1).buffer));
    bench.driver.offer(head);
    bench.driver.commit();
    bench.run();

    expect(isDirty(used)).toBe(true);
    expect(isDirty(buffer.address + page)).toBe(true);
    expect(isDirty(buffer.address)).toBe(false);

    bits.fill(0);
    bench.ask({ type: "log-pages", fd: -1, offset: 0, size: 0, token: 2 });
    bench.command(request(1));
    expect(bits.every((byte) => byte === 0)).toBe(true);
    expect(
      bench.ask({ type: "log-pages", fd: duplicateFd(fd), offset: 0, size: 2 * page, token: 3 }),
    ).toMatch(/outside of its file/);
    shared.unmap();
    closeFd(fd);
  });
});

test("commands of another form begin and are answered as that says", () => {
  begin();
  bench.close();
  const words: CommandForm = {
    headerBytes: 8,
    ok: 1,
    firstError: 100,
    lasting: { type: 99, bodyBytes: 4 },
    malformed: 101,
    tooLong: 102,
    writeHeader(response, type, command): void {
      response[0] = type;
      response[1] = command[1]! + 1;
    },
  };
  context = new FakeContext("ctrl-queue");
  handler = new Handler();
  queue = new QueueRunner(context, handler, words, commandBytes);
  handler.queue = queue;
  handler.answer = words.ok;
  const served = {
    receive: (message: never) => queue.receive(message),
    turn: () => queue.turn(),
    stop: () => queue.close(),
  };
  bench = new QueueBench(context, served);
  /** Sends words; returns the bytes written, and the response's first two words. */
  const command = (...sent: number[]): number[] => {
    const { length, bytes } = bench.command(new Uint8Array(Uint32Array.from(sent).buffer), 16);
    return [length, ...new Uint32Array(bytes.slice(0, 8).buffer)];
  };

  expect(command(7, 41)).toEqual([8, 1, 42]);
  expect(command(7)).toEqual([8, 101, 1]);
  expect(command(...Array.from({ length: commandBytes / 4 + 1 }, () => 5))).toEqual([8, 102, 6]);
  handler.answer = 100;
  expect(command(7, 1)).toEqual([8, 100, 2]);
  expect(counter("errors")).toBe(3);
  handler.parkNext = 1;
  const head = bench.offer(new Uint8Array(Uint32Array.of(7, 9).buffer), 16);
  bench.run();
  queue.succeed(handler.parked.pop()!);
  bench.collect();
  expect([...new Uint32Array(bench.takeAnswer(head)!.bytes.slice(0, 8).buffer)]).toEqual([1, 10]);
});

describe("sleep", () => {
  for (const eventIdx of [false, true]) {
    test(`a queue that is idle asks for a kick and is woken by it, ${eventIdx ? "with" : "without"} EVENT_IDX`, () => {
      begin({ eventIdx });
      bench.command(request(1));
      const before = counter("wakeUps");

      for (let round = 0; round < 10; round++) bench.command(request(1));

      expect(counter("wakeUps")).toBe(before + 10);
    });
  }

  test("a new ring that is kicked and stays empty is told of once: the guest's memory is not shared", () => {
    begin();
    const told = () => context.logged.filter(({ text }) => text.includes("is share=on missing"));
    for (const expected of [0, 0, 1, 1, 1]) {
      bench.driver.kick();
      bench.run();
      expect(told()).toHaveLength(expected);
    }
  });

  test("a ring that had a command may be kicked in vain", () => {
    begin();
    bench.command(request(1));
    for (let kicks = 0; kicks < 4; kicks++) {
      bench.driver.kick();
      bench.run();
    }
    expect(context.logged).toEqual([]);
  });

  test("a queue that polls sees what came without a kick", () => {
    begin({}, "--poll-us", "10000");
    let offered = false;
    const idle = (): void => {
      if (offered) return;
      offered = true;
      // Between the last look at the ring and the poll.
      bench.offer(request(2));
    };
    (handler as QueueHandler).idle = idle;
    bench.offer(request(1));
    while (queue.turn());

    expect(handler.ran.map(({ type }) => type)).toEqual([1, 2]);
    expect(counter("kicksPolled")).toBeGreaterThan(0);
  });

  for (const yields of [true, false]) {
    test(`a queue ${yields ? "that leaves its processor to others sleeps at once" : "looks at the ring before it sleeps"}`, () => {
      begin();
      let looks = 0;
      (handler as QueueHandler).yields = () => yields;
      bench.offer(request(1));
      context.isRung = () => (looks++, false);
      while (queue.turn());
      const ofCommands = 2;
      if (yields) expect(looks).toBe(ofCommands);
      else expect(looks).toBeGreaterThan(ofCommands);
    });
  }

  test("what comes while the queue is about to sleep is not missed", () => {
    begin();
    let offered = false;
    (handler as QueueHandler).idle = () => {
      if (offered) return;
      offered = true;
      bench.offer(request(2));
    };
    bench.offer(request(1));

    while (queue.turn());

    expect(handler.ran).toHaveLength(2);
  });
});
