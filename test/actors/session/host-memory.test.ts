// Memory mapped into the front-end's window: asked one thing at a time, whatever the front-end does, and never what it refuses.
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { gpuDevice } from "../../../src/actors/gpu/device-type.ts";
import { HostMemory } from "../../../src/actors/session/host-memory.ts";
import { Pump } from "../../../lab/driver/pump.ts";
import { HostWindow } from "../../../lab/vmm/host-window.ts";
import { MessageChannel } from "../../../lab/vmm/message-channel.ts";
import { closeFd, createEventfd, createMemfd, duplicateFd } from "../../../src/transport/os/fds.ts";
import { socketPair } from "../../../src/transport/os/unix-socket.ts";
import { Flags } from "../../../src/transport/wire/vhost-user/protocol.ts";
import { FakeContext, serverConfig } from "../../support/fake-context.ts";
import { openFds } from "../../support/fds.ts";

const page = 4096;
const limitMs = 20;

let fdsBefore: number;
let context: FakeContext;
let memory: HostMemory;
let pump: Pump;
let window: HostWindow;
let channel: MessageChannel;
let blob: number;
let token: number;
/** Of what was last to be mapped somewhere, by its range. */
let names: Map<string, number>;

beforeEach(() => {
  fdsBefore = openFds();
  context = new FakeContext("vhost-session", serverConfig("--host-memory-timeout-ms", String(limitMs)));
  pump = new Pump();
  window = new HostWindow(16 * page);
  blob = createMemfd("blob", 8 * page);
  token = 1;
  names = new Map();
  memory = new HostMemory(context, gpuDevice.sharedMemory);
  connect();
  memory.windowBytes = window.bytes;
  memory.resume();
});
afterEach(() => {
  memory.close();
  channel.close();
  window.free();
  pump.close();
  closeFd(blob);
  context.close();
  expect(openFds()).toBe(fdsBefore);
});

function connect(): void {
  const [ours, theirs] = socketPair("stream");
  const made = new MessageChannel(
    ours,
    pump,
    () => undefined,
    (message) =>
      window.handle(message, {
        send: ({ request, flags, payload, fds }) => made.send(request, flags, payload, fds),
        hangUp: () => made.hangUp(),
      }),
  );
  channel = made;
  memory.connect(theirs);
}

/** Both sides do what they can. */
function serve(): void {
  for (let round = 0; round < 20; round++) {
    pump.drain();
    while (context.epoll.wait(0) > 0);
  }
}

function map(offset: number, bytes = page, fdOffset = 0): number {
  const fd = duplicateFd(blob);
  names.set(`${offset}+${bytes}`, token);
  memory.ask({ type: "ask-mapping", token, name: token, fd, fdOffset, offset, bytes });
  return token++;
}

function unmap(offset: number, bytes = page, name = names.get(`${offset}+${bytes}`) ?? 0): number {
  memory.ask({ type: "ask-unmapping", token, name, offset });
  return token++;
}

/** What the ctrl queue was told since, by token. */
function answers(): Record<string, string | boolean> {
  serve();
  return Object.fromEntries(
    context.take("ctrl-queue").map((message) => {
      if (message.type === "mapping") return [message.token, message.outcome];
      if (message.type === "unmapping") return [message.token, message.isDone];
      return [message.type, true];
    }),
  );
}

const lines = (): string[] => context.logged.splice(0).map(({ text }) => text);

/** Lets the time run out in which the front-end has to answer. */
function runOut(): void {
  const isOver = (): boolean => context.logged.some(({ text }) => text.includes(`in ${limitMs} ms`));
  while (!isOver()) {
    Bun.sleepSync(Math.max(context.timers.timeout(), 0));
    context.timers.runDue();
  }
}

describe("a good front-end", () => {
  test("maps what it is given where it is asked to, and unmaps it", () => {
    expect([map(2 * page, 3 * page, page), unmap(2 * page, 3 * page)]).toEqual([1, 2]);
    pump.drain();
    expect(window.mapped).toEqual(new Map([[2 * page, 3 * page]]));
    window.view(2 * page, 3 * page).fill(7);
    expect(answers()).toEqual({ 1: "mapped", 2: true });
    expect(window.mapped.size).toBe(0);
    expect(window.violations).toEqual([]);
  });

  test("is asked one thing after the other, in order", () => {
    for (let index = 0; index < 8; index++) map(index * page);
    unmap(0);
    map(0, 2 * page);
    unmap(page);
    map(0, 2 * page);
    const expected = Array.from({ length: 8 }, (_, index) => [index + 1, "mapped"]);
    const rest = { 9: true, 10: "taken", 11: true, 12: "mapped" };
    expect(answers()).toEqual({ ...Object.fromEntries(expected), ...rest });
    expect(window.violations).toEqual([]);
    expect(memory.describe()).toMatchObject({ mappings: 7, mappedBytes: 8 * page, channel: "open" });
  });

  test("is not asked for what lies over something else, nor to unmap what is not there so", () => {
    map(4 * page, 4 * page);
    for (const [offset, bytes] of [
      [4, 4],
      [3, 2],
      [7, 1],
      [5, 1],
      [0, 16],
    ] as const) {
      map(offset * page, bytes * page);
    }
    unmap(4 * page, page);
    unmap(5 * page, 3 * page);
    unmap(0, 4 * page);
    const refused = {
      2: "taken",
      3: "taken",
      4: "taken",
      5: "taken",
      6: "taken",
      7: false,
      8: false,
      9: false,
    };
    expect(answers()).toEqual({ 1: "mapped", ...refused });
    expect(window.violations).toEqual([]);
  });

  test("is not asked to unmap what another has where a map was refused", () => {
    const [first, second] = [map(0), map(0)];
    unmap(0, page, second);
    unmap(0, page, first);
    expect(answers()).toEqual({ 1: "mapped", 2: "taken", 3: false, 4: true });
    expect(window.asked).toBe(2);
  });

  test("is asked for no more than it takes, and for more again when something was unmapped", () => {
    memory.mappingsMax = 2;
    for (const at of [0, 1, 2]) map(at * page);
    unmap(0);
    map(2 * page);
    expect(answers()).toEqual({ 1: "mapped", 2: "mapped", 3: "full", 4: true, 5: "mapped" });
    expect(window.asked).toBe(4);
  });

  test("is asked for nothing outside of its window, whatever whoever asks has let through", () => {
    for (const [offset, bytes] of [
      [16 * page, page],
      [15 * page, 2 * page],
      [1, page],
      [0, 1],
      [0, 2 ** 40],
      [2 ** 52, page],
    ] as const) {
      map(offset, bytes);
    }
    expect(new Set(Object.values(answers()))).toEqual(new Set(["failed"]));
    expect(window.asked).toBe(0);
  });

  test("leaves no descriptor after ten thousand rounds", () => {
    const fds = openFds();
    for (let index = 0; index < 10_000; index++) {
      map((index % 15) * page);
      unmap((index % 15) * page);
      serve();
    }
    expect(Object.values(answers()).filter((one) => one === "mapped" || one === true)).toHaveLength(20_000);
    expect(openFds()).toBe(fds);
    expect(window.mapped.size).toBe(0);
    expect(memory.describe()).toMatchObject({ mappings: 0, mappedBytes: 0 });
  });
});

describe("a front-end that stalls", () => {
  test("costs what it was asked, and what waits, after the limit", () => {
    window.manner = "stall";
    map(0);
    map(page);
    expect(answers()).toEqual({});
    runOut();
    expect(answers()).toEqual({ 1: "failed", 2: "failed" });
    expect(lines()).toEqual([
      "the front-end has not mapped 4096 bytes at 0x0 of host memory in 20 ms: nothing is mapped until it has",
    ]);
    map(5 * page);
    unmap(0);
    expect(answers()).toEqual({ 3: "failed", 4: false });
    expect(memory.describe()).toMatchObject({ channel: "silent" });
  });

  test("that maps after all has to unmap it again, and all goes on", () => {
    window.manner = "stall";
    map(0);
    serve();
    runOut();
    window.catchUp();
    expect(answers()).toEqual({ 1: "failed" });
    expect(window.mapped.size).toBe(0);
    map(0);
    expect(answers()).toEqual({ 2: "mapped" });
    expect(window.violations).toEqual([]);
  });

  test("that unmaps after all has done it", () => {
    map(0);
    map(page);
    serve();
    window.manner = "stall";
    unmap(0);
    unmap(page);
    serve();
    runOut();
    expect(answers()).toEqual({ 1: "mapped", 2: "mapped", 3: false, 4: false });
    window.catchUp();
    serve();
    expect(window.mapped.size).toBe(0);
    map(0, 2 * page);
    expect(answers()).toEqual({ 5: "mapped" });
  });
});

describe("a front-end that breaks the channel", () => {
  const lost =
    /^the front-end .*: no host memory is mapped any more, and the guest's 2 mappings, 8192 bytes, cannot be taken back$/;
  const lies = [
    [
      "another request",
      { request: 10 },
      /answered wrongly: request 10, flags 0x5, 8 bytes, where 9 was asked/,
    ],
    ["no reply", { flags: Flags.version }, /answered wrongly: request 9, flags 0x1/],
    ["flags beyond a reply's", { flags: 0xd }, /answered wrongly: request 9, flags 0xd/],
    ["no bytes at all", { payload: new Uint8Array(0) }, /answered wrongly: .* 0 bytes/],
    ["too many bytes", { payload: new Uint8Array(16) }, /answered wrongly: .* 16 bytes/],
  ] as const;

  function expectLost(how: RegExp): void {
    expect(answers()).toEqual({ 1: "mapped", 2: "failed", "mappings-lost": true });
    const [line, ...others] = lines();
    expect(others).toEqual([]);
    expect(line).toMatch(lost);
    expect(line).toMatch(how);
    // What it may still have there is left alone, and so is everything while there is no channel.
    map(8 * page);
    unmap(0);
    expect(answers()).toEqual({ 3: "failed", 4: false });
    connect();
    window.manner = "serve";
    map(0);
    map(8 * page);
    expect(answers()).toEqual({ 5: "failed", 6: "mapped" });
    expect(window.violations).toEqual([]);
  }

  test.each(lies)("by %s costs the mappings", (_name, lie, how) => {
    map(0);
    serve();
    window.manner = () => lie;
    map(page);
    expectLost(how);
  });

  test("by descriptors costs the mappings", () => {
    const extra = createEventfd();
    map(0);
    serve();
    window.manner = () => ({ fds: [extra] });
    map(page);
    expectLost(/an answer brought descriptors/);
    closeFd(extra);
  });

  test("by refusing costs the mappings", () => {
    map(0);
    serve();
    window.manner = "refuse";
    map(page);
    expectLost(/refused to map 4096 bytes at 0x1000/);
  });

  test("by hanging up costs the mappings", () => {
    map(0);
    serve();
    window.manner = "hang-up";
    map(page);
    expectLost(/has closed the channel for it/);
  });

  test("by an answer to nothing costs the mappings", () => {
    map(0);
    map(page);
    serve();
    channel.send(9, 5, new Uint8Array(8));
    expect(answers()).toEqual({ 1: "mapped", 2: "mapped", "mappings-lost": true });
    unmap(0);
    expect(answers()).toEqual({ 3: false });
    expect(lines()).toEqual([expect.stringMatching(lost)]);
  });

  test("when it goes says nothing: it ends", () => {
    map(0);
    serve();
    channel.hangUp();
    expect(answers()).toEqual({ 1: "mapped", "mappings-lost": true });
    expect(lines()).toEqual([]);
  });
});

describe("the ring of whoever asks", () => {
  test("that stops takes along what was not asked yet, and leaves what is to be unmapped for later", () => {
    map(0);
    serve();
    window.manner = "stall";
    map(page);
    map(2 * page);
    unmap(0);
    memory.pause();
    expect(answers()).toEqual({ 1: "mapped", 2: "failed", 3: "failed", 4: false });
    window.catchUp();
    serve();
    // The front-end was asked for one of them, and nobody knows of that.
    expect(window.mapped).toEqual(new Map([[0, page]]));
    memory.resume();
    serve();
    expect(window.mapped.size).toBe(0);
    expect(window.violations).toEqual([]);
  });

  test("takes an answer that is there before it stops", () => {
    map(0);
    unmap(0);
    map(page);
    pump.drain();
    memory.pause();
    expect(answers()).toEqual({ 1: "mapped", 2: false, 3: "failed" });
    // Nothing new is begun.
    expect(window.asked).toBe(1);
    memory.resume();
    serve();
    expect(window.mapped.size).toBe(0);
  });

  test("that starts anew finds an empty window, of which the front-end was not told", () => {
    map(0);
    map(page);
    unmap(0);
    serve();
    unmap(page);
    memory.pause();
    window.reset();
    window.violations.length = 0;
    channel.close();
    connect();
    memory.reset();
    memory.resume();
    context.take("ctrl-queue");
    map(0, 4 * page);
    expect(answers()).toEqual({ 5: "mapped" });
    expect(window.violations).toEqual([]);
  });

  test("that starts anew while something is asked has it unmapped where it was done after that", () => {
    window.manner = "stall";
    map(0);
    serve();
    memory.pause();
    window.reset();
    memory.reset();
    memory.resume();
    window.catchUp();
    map(0);
    expect(answers()).toEqual({ 1: "failed", 2: "mapped" });
    expect(window.mapped).toEqual(new Map([[0, page]]));
    expect(window.violations).toEqual([]);
  });
});
