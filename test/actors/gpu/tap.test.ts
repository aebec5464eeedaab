// What the tap sees of commands, fences, lives and pictures, and that they can be joined into one story.

import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { CtrlQueue } from "../../../src/actors/gpu/ctrl-queue.ts";
import { Shown } from "../../../src/actors/runtime/tap/layout.ts";
import { closeFd } from "../../../src/transport/os/fds.ts";
import { Command, Format, Response } from "../../../src/transport/wire/virtio-gpu/protocol.ts";
import * as commands from "../../../lab/driver/commands.ts";
import { FakeContext } from "../../support/fake-context.ts";
import { QueueBench } from "../../support/queue-bench.ts";
import { TestTap } from "../../support/tap.ts";

let context: FakeContext;
let bench: QueueBench;
let seen: TestTap;

beforeEach(() => {
  seen = new TestTap();
  context = new FakeContext("ctrl-queue");
  context.tap = seen.tap;
  bench = new QueueBench(context, new CtrlQueue(context), { eventIdx: true });
  seen.take();
});
afterEach(() => {
  for (const message of context.take("display")) if ("fd" in message) closeFd(message.fd);
  bench.tell({ type: "reset", token: 1 });
  bench.close();
  seen.close();
});

const create = (id: number): DataView => commands.createResource2d(id, Format.B8G8R8X8, 64, 64);
const whole = { x: 0, y: 0, width: 64, height: 64 };

test("a command is taken with its first bytes, moves its resource, is completed and published", () => {
  const request = create(7);
  bench.command(request);
  const [taken, moved, completed, published] = seen.take("taken", "moved", "completed", "published");

  expect(taken).toMatchObject({ kind: "taken", command: 1 });
  expect(taken!.words[0]).toBe(request.byteLength);
  expect(taken!.words.slice(4, 14)).toEqual([...new Uint32Array(request.buffer)]);
  expect(moved).toMatchObject({ kind: "moved", command: 1 });
  const { states, events } = context.machines.resource;
  expect(states[moved!.words[1]!]).toBe("absent");
  expect(events[moved!.words[2]!]).toBe("CREATE_2D");
  expect(moved!.words[4]).toBe(7);
  expect(completed).toMatchObject({ kind: "completed", command: 1 });
  expect(completed!.words.slice(0, 2)).toEqual([Response.OK_NODATA, 24]);
  expect(published!.words[0]).toBe(1);
  expect(taken!.time).toBeLessThanOrEqual(completed!.time);
  expect(completed!.time).toBeLessThanOrEqual(published!.time);
});

test("a refused event is told with the command that earned it, and counted", () => {
  bench.command(commands.flushResource(99, whole));
  const [refused, completed] = seen.take("refused", "completed");
  const { events } = context.machines.resource;
  expect(refused).toMatchObject({ kind: "refused", command: 1 });
  expect(events[refused!.words[2]!]).toBe("RESOURCE_FLUSH");
  expect(completed!.words[0]).toBe(Response.ERR_INVALID_RESOURCE_ID);
  expect(seen.count(refused!.words[0]!, refused!.words[1]!, refused!.words[2]!)).toBe(1);
});

test("what we ask ourselves is no refusal", () => {
  bench.plugAll();
  bench.tell({ type: "reset", token: 5 });
  expect(seen.take("refused")).toEqual([]);
});

test("an event that moves nothing is counted, and takes no record", () => {
  bench.command(create(1));
  seen.take();
  for (let flush = 0; flush < 3; flush++) bench.command(commands.flushResource(1, whole));
  expect(seen.take("moved")).toEqual([]);
  const { states, events } = context.machines.resource;
  const resource = seen.tap.machine("resource", 0, 0);
  expect(seen.count(resource, states.indexOf("cpu2d.bare"), events.indexOf("RESOURCE_FLUSH"))).toBe(3);
});

test("a malformed command is taken and completed too", () => {
  bench.command(new DataView(new ArrayBuffer(8)));
  expect(seen.take("taken", "completed").map(({ words }) => words[0])).toEqual([8, Response.ERR_UNSPEC]);
});

test("a parked command is completed under its own number", () => {
  const head = bench.offer(commands.getDisplayInfo());
  bench.offer(create(3));
  bench.run();
  const question = context.take("display").find(({ type }) => type === "ask-display-info")!;
  bench.tell({ type: "display-info", token: (question as { token: number }).token, modes: [] });
  bench.run();
  bench.takeAnswer(head);
  const story = seen.take("taken", "parked", "completed").map(({ kind, command }) => `${kind} ${command}`);
  expect(story).toEqual(["taken 1", "parked 1", "taken 2", "completed 2", "completed 1"]);
});

test("what the display is told names the surface, and the command that changed it last", () => {
  bench.command(create(2));
  bench.command(commands.setScanout(0, 2, whole));
  bench.command(commands.flushResource(2, whole));
  bench.command(commands.flushResource(2, { ...whole, height: 8 }));
  const shown = seen.take("shown").map(({ command, words: [scanout, surface, resource, what, ...rect] }) => ({
    ...{ command, scanout, surface, resource, what },
    height: rect[3],
  }));
  expect(shown[0]).toEqual({
    ...{ command: 2, scanout: 0, surface: 1, resource: 2, what: Shown.view },
    height: 64,
  });
  expect(shown.at(-1)).toMatchObject({ command: 4, surface: 1, what: Shown.damage, height: 8 });
});

describe("an actor that nobody reads", () => {
  test("writes nothing, and begins with the next turn after somebody does", () => {
    seen.switch(false);
    bench.command(create(1));
    expect(seen.take()).toEqual([]);
    seen.switch(true);
    bench.command(create(2));
    expect(seen.take("taken").map(({ words }) => words[4])).toEqual([Command.RESOURCE_CREATE_2D]);
  });

  test("drops what the reader has no room for, counts it, and answers the guest", () => {
    for (let round = 0; round < 3000; round++) bench.command(commands.flushResource(9, whole));
    expect(seen.dropped).toBeGreaterThan(0);
    const taken = seen.take("taken");
    expect(taken.length).toBeGreaterThan(500);
    expect(bench.command(create(4)).type).toBe(Response.OK_NODATA);
    // A command has the number that it would have had.
    expect(seen.take("taken")[0]!.command).toBe(3001);
  });
});
