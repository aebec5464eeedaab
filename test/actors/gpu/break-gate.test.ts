// Break and step: before which commands the ctrl queue stops, what it tells of them, and that all else goes on meanwhile.

import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import * as commands from "../../../lab/driver/commands.ts";
import { createContext, submit3d } from "../../../lab/driver/commands-3d.ts";
import { CtrlQueue } from "../../../src/actors/gpu/ctrl-queue.ts";
import type { BreakChanged } from "../../../src/actors/inspector/messages.ts";
import { decodeRequest } from "../../../src/transport/wire/virtio-gpu/decode.ts";
import { Feature, Format, Response } from "../../../src/transport/wire/virtio-gpu/protocol.ts";
import { FakeContext } from "../../support/fake-context.ts";
import { QueueBench } from "../../support/queue-bench.ts";
import { ScriptedRenderer } from "../../support/scripted-renderer.ts";
import { TestTap } from "../../support/tap.ts";

let context: FakeContext;
let bench: QueueBench;
let seen: TestTap;
let renderer: ScriptedRenderer;

beforeEach(() => {
  seen = new TestTap();
  context = new FakeContext("ctrl-queue");
  context.tap = seen.tap;
  const ctrl = new CtrlQueue(context, (_, __, arena) => (renderer = new ScriptedRenderer(arena)));
  bench = new QueueBench(context, ctrl);
  bench.stopRing();
  bench.tell(bench.ringStart({ features: 1 << Feature.VIRGL }));
});
afterEach(() => {
  bench.close();
  seen.close();
});

const mine = 1;
const whole = { x: 0, y: 0, width: 8, height: 8 };
const create = (id: number): DataView => commands.createResource2d(id, Format.B8G8R8X8, 8, 8);
const flush = (id: number): DataView => commands.flushResource(id, whole);

function breakAt(filter: string, holder = mine): void {
  bench.tell({ type: "set-breaks", breaks: [{ holder, filter }] });
}
const step = (count = 1): void => {
  bench.tell({ type: "step", count });
  bench.run();
};
const resume = (): void => {
  bench.tell({ type: "resume" });
  bench.run();
};

/** What the inspector was told last. */
function told(): BreakChanged {
  const last = context.take("inspector").findLast(({ type }) => type === "break-changed");
  if (last === undefined) throw new Error("nothing was told");
  return last as BreakChanged;
}
const nameOf = (one: { request: Uint8Array } | null): string =>
  one === null ? "nothing" : decodeRequest(one.request).name;
const answered = (): number[] => bench.answers.map(({ answer }) => answer.type);
const { OK_NODATA, ERR_INVALID_RESOURCE_ID } = Response;

/** Lets time pass until the queue is paused, as its own clock does. */
async function untilPaused(): Promise<BreakChanged> {
  for (let attempt = 0; attempt < 400; attempt++) {
    bench.run();
    const paused = context.take("inspector").findLast((one) => one.type === "break-changed" && one.isPaused);
    if (paused !== undefined) return paused as BreakChanged;
    await Bun.sleep(5);
  }
  throw new Error("it was never paused");
}

describe("a break before a command", () => {
  test("stops there: what was before has run, what follows waits, and all are answered in order once it goes on", () => {
    breakAt("type:flush res:7");
    for (const request of [create(7), flush(9), flush(7), create(8)]) bench.offer(request);
    bench.run();
    expect(answered()).toEqual([OK_NODATA, ERR_INVALID_RESOURCE_ID]);
    const paused = told();
    expect(paused).toMatchObject({
      ...{ isPaused: true, why: "before", stops: 1, holders: [mine], behind: 1, cause: null },
      next: { number: 3, bytes: 48 },
    });
    expect(decodeRequest(paused.next!.request)).toMatchObject({
      name: "RESOURCE_FLUSH",
      fields: { resourceId: 7, width: 8, height: 8 },
    });
    expect(paused.sinceNs).toBeGreaterThan(0);

    resume();
    expect(answered()).toEqual([OK_NODATA, ERR_INVALID_RESOURCE_ID, OK_NODATA, OK_NODATA]);
    expect(told()).toMatchObject({ isPaused: false, next: null, stops: 1 });
    // The break is still there.
    bench.offer(flush(7));
    bench.run();
    expect(told()).toMatchObject({ isPaused: true, stops: 2, next: { number: 5 } });
  });

  test("knows a context by what the guest calls it", () => {
    bench.command(createContext(1, "glxgears"));
    bench.command(createContext(2, "kmscube"));
    breakAt("ctx:KMS type:submit");
    for (const id of [1, 2]) bench.offer(submit3d(id, new Uint8Array(4)));
    bench.run();
    expect(decodeRequest(told().next!.request).fields).toMatchObject({ contextId: 2 });
  });

  test("goes on as the ring has it, however often the queue looks", () => {
    breakAt("");
    bench.offer(create(7));
    for (let times = 0; times < 5; times++) bench.run();
    expect(told()).toMatchObject({ isPaused: true, stops: 1, behind: 0 });
    bench.offer(flush(7));
    resume();
    expect(told()).toMatchObject({ isPaused: true, stops: 2, next: { number: 2 } });
    bench.tell({ type: "set-breaks", breaks: [] });
    bench.run();
    expect(answered()).toEqual([OK_NODATA, OK_NODATA]);
    expect(context.counters[0]).toBe(2);
  });

  test("counts what comes behind the one that is kept", async () => {
    breakAt("res:7");
    bench.offer(create(7));
    bench.run();
    expect(told().behind).toBe(0);
    bench.offer(create(8));
    bench.offer(create(9));
    let last: BreakChanged | null = null;
    for (let attempt = 0; attempt < 400 && last?.behind !== 2; attempt++) {
      await Bun.sleep(5);
      bench.run();
      for (const one of context.take("inspector")) if (one.type === "break-changed") last = one;
    }
    expect(last).toMatchObject({ isPaused: true, stops: 1, behind: 2 });
    expect(nameOf(last!.next)).toBe("RESOURCE_CREATE_2D");
  });

  test("has one line in the log while it lasts, and one when it ends", () => {
    breakAt("type:flush");
    for (let count = 0; count < 3; count++) bench.offer(flush(9));
    bench.run();
    step();
    const lines = (): string[] =>
      context.logged.map(({ text }) => text).filter((text) => text.startsWith("the ctrl queue"));
    expect(lines()).toEqual(['the ctrl queue is paused before RESOURCE_FLUSH, by the break "type:flush"']);
    bench.tell({ type: "set-breaks", breaks: [] });
    expect(lines()[1]).toMatch(/^the ctrl queue goes on, after \d+ ms$/);
  });

  test("keeps a chain that makes no sense like any other", () => {
    breakAt("");
    bench.offer(new Uint8Array(0));
    bench.run();
    expect(nameOf(told().next)).toBe("nothing");
    bench.offer(create(7));
    resume();
    expect(answered()).toEqual([Response.ERR_UNSPEC]);
    expect(nameOf(told().next)).toBe("RESOURCE_CREATE_2D");
  });
});

describe("a step", () => {
  test("runs one command, or as many as were asked for, and stops before the next, whatever that is", () => {
    breakAt("type:create");
    for (const request of [create(7), flush(7), flush(9), create(8)]) bench.offer(request);
    bench.run();
    step();
    expect(answered()).toEqual([OK_NODATA]);
    expect(told()).toMatchObject({ isPaused: true, why: "step", stops: 2, next: { number: 2 }, behind: 2 });
    step(2);
    expect(answered()).toEqual([OK_NODATA, OK_NODATA, ERR_INVALID_RESOURCE_ID]);
    expect(told()).toMatchObject({ stops: 3, next: { number: 4 }, behind: 0 });
    step();
    expect(told()).toMatchObject({ isPaused: true, stops: 4, next: null });
    // What comes next is kept when it comes.
    bench.offer(flush(7));
    bench.run();
    expect(told()).toMatchObject({ isPaused: true, stops: 4, next: { number: 5 } });
    expect(answered()).toHaveLength(4);
  });

  test("of a queue that runs is nothing", () => {
    breakAt("res:7");
    step();
    bench.offer(flush(9));
    bench.run();
    expect(answered()).toHaveLength(1);
  });
});

describe("a break by an answer", () => {
  test("stops behind the command that earned it, with what that was", () => {
    breakAt("errors");
    for (const request of [create(7), flush(9), flush(7)]) bench.offer(request);
    bench.run();
    expect(answered()).toEqual([OK_NODATA, ERR_INVALID_RESOURCE_ID]);
    const paused = told();
    expect(paused).toMatchObject({
      why: "answer",
      cause: { number: 2, response: ERR_INVALID_RESOURCE_ID },
      next: { number: 3 },
    });
    expect(decodeRequest(paused.cause!.request).fields).toMatchObject({ resourceId: 9 });
    resume();
    expect(answered()).toHaveLength(3);
  });

  test("knows a command that was put off by what it asked", () => {
    expect(bench.command(createContext(1, "")).type).toBe(OK_NODATA);
    renderer.isStuck = true;
    breakAt("errors ctx:1 type:submit");
    renderer.fail("submit", 22);
    bench.offer(submit3d(1, new Uint8Array(4), { fenceId: 5n }));
    bench.run();
    renderer.isStuck = false;
    bench.tell({ type: "poll-renderer" });
    bench.run();
    const paused = told();
    expect(paused).toMatchObject({ isPaused: true, why: "answer", next: null });
    expect(decodeRequest(paused.cause!.request)).toMatchObject({
      name: "SUBMIT_3D",
      fields: { contextId: 1, fenceId: 5 },
    });
  });

  test("by a time holds for the commands that took it", () => {
    breakAt("slow:>10s");
    bench.offer(create(7));
    bench.run();
    breakAt("slow:>0ns");
    bench.offer(flush(7));
    bench.offer(flush(7));
    bench.run();
    expect(told()).toMatchObject({ isPaused: true, cause: { number: 2 }, next: { number: 3 } });
  });
});

describe("a break by a fence's age", () => {
  const stick = (): void => {
    bench.command(createContext(1, ""));
    renderer.isStuck = true;
    bench.offer(submit3d(1, new Uint8Array(4), { fenceId: 5n }));
    bench.run();
    expect(answered()).toHaveLength(0);
  };

  test("stops with the command that waits, though nothing comes, and retires the fence all the same", async () => {
    stick();
    breakAt("ctx:1 fence-age:>30ms");
    const paused = await untilPaused();
    expect(paused).toMatchObject({ why: "wait", next: null });
    expect(paused.cause!.waitedNs).toBeGreaterThan(30e6);
    expect(nameOf(paused.cause)).toBe("SUBMIT_3D");

    bench.offer(create(7));
    bench.run();
    expect(nameOf(told().next)).toBe("RESOURCE_CREATE_2D");
    renderer.isStuck = false;
    bench.tell({ type: "poll-renderer" });
    bench.run();
    expect(answered()).toEqual([OK_NODATA]);
    resume();
    expect(answered()).toEqual([OK_NODATA, OK_NODATA]);
  });

  test("stops once for a fence, and again for the next", async () => {
    stick();
    breakAt("fence-age:>1ms");
    await untilPaused();
    resume();
    await Bun.sleep(60);
    bench.run();
    expect(told().isPaused).toBe(false);
    renderer.isStuck = false;
    bench.tell({ type: "poll-renderer" });
    await Bun.sleep(60);
    bench.run();
    renderer.isStuck = true;
    bench.offer(submit3d(1, new Uint8Array(4), { fenceId: 6n }));
    expect(await untilPaused()).toMatchObject({ why: "wait", stops: 2 });
    renderer.isStuck = false;
  });
});

describe("who wanted it", () => {
  test("may go, and the queue goes on; others who have the same break hold it still", () => {
    const breaks = [1, 2].map((holder) => ({ holder, filter: "type:flush" }));
    bench.tell({ type: "set-breaks", breaks: [...breaks, { holder: 3, filter: "res:1" }] });
    bench.offer(flush(9));
    bench.run();
    expect(told()).toMatchObject({ isPaused: true, holders: [1, 2] });
    bench.tell({ type: "set-breaks", breaks: [breaks[1]!, { holder: 3, filter: "res:1" }] });
    bench.run();
    expect(told()).toMatchObject({ isPaused: true });
    bench.tell({ type: "set-breaks", breaks: [{ holder: 3, filter: "res:1" }] });
    bench.run();
    expect(answered()).toEqual([ERR_INVALID_RESOURCE_ID]);
    expect(told()).toMatchObject({ isPaused: false });
    bench.offer(flush(1));
    bench.run();
    expect(told()).toMatchObject({ isPaused: true, holders: [3] });
  });

  test("goes with the inspector that crashes", () => {
    breakAt("type:flush");
    bench.offer(flush(9));
    bench.run();
    bench.losePeer("inspector");
    bench.run();
    expect(answered()).toHaveLength(1);
    bench.offer(flush(9));
    bench.run();
    expect(answered()).toHaveLength(2);
  });
});

describe("while it is paused", () => {
  beforeEach(() => {
    breakAt("type:flush");
    bench.offer(create(7));
    bench.offer(flush(7));
    bench.run();
    expect(told()).toMatchObject({ isPaused: true });
    expect(answered()).toHaveLength(1);
  });

  test("what the guest has made is told to whoever asks", () => {
    bench.tell({ type: "ask-inventory", token: 5 });
    const [inventory] = context.take("inspector");
    expect(inventory).toMatchObject({ type: "inventory", resources: [{ id: 7, width: 8 }] });
  });

  test("a ring that stops is at the command that is kept, which the next one begins with", () => {
    expect(bench.stopRing()).toBe(1);
    expect(told()).toMatchObject({ isPaused: true, next: null });
    bench.tell(bench.ringStart({ base: 1 }));
    bench.run();
    expect(told()).toMatchObject({ isPaused: true, next: { number: 2 } });
    resume();
    expect(answered()).toEqual([OK_NODATA, OK_NODATA]);
  });

  test("a reset is done, and a new driver's first command is kept", () => {
    expect(bench.ask({ type: "reset", token: 9 })).toBe("");
    bench.driver.reset(0);
    bench.tell(bench.ringStart());
    bench.offer(create(7));
    bench.run();
    expect(told()).toMatchObject({ isPaused: true, next: { number: 2 } });
    bench.losePeer("inspector");
    bench.run();
    expect(answered().at(-1)).toBe(OK_NODATA);
  });

  test("memory may go and come back, and the command is read from where it lies then", () => {
    const whole = bench.memoryMessage();
    expect(bench.ask(bench.memoryMessage([]))).toBe("");
    bench.run();
    expect(bench.ask(whole)).toBe("");
    bench.run();
    resume();
    expect(answered()).toEqual([OK_NODATA, OK_NODATA]);
  });

  test("a queue that is disabled and enabled keeps what it kept", () => {
    bench.ask({ type: "enable-ring", enabled: false, token: 3 });
    bench.run();
    resume();
    expect(answered()).toHaveLength(1);
    bench.ask({ type: "enable-ring", enabled: true, token: 4 });
    bench.run();
    expect(told()).toMatchObject({ isPaused: true, next: { number: 2 } });
    resume();
    expect(answered()).toHaveLength(2);
  });
});
