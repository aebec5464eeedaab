// Frames whose pages the VMM is lent: what it sees of them late, and when they are copied instead.

import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { openSync } from "node:fs";
import { libc } from "../../../src/ffi/libc.ts";
import { DisplayRequest } from "../../../src/transport/wire/vhost-user-gpu/protocol.ts";
import { closeFd, duplicateFd } from "../../../src/transport/os/fds.ts";
import { Format } from "../../../src/transport/wire/virtio-gpu/protocol.ts";
import { countCalls } from "../../support/call-counter.ts";
import { FakeContext } from "../../support/fake-context.ts";
import { openFds } from "../../support/fds.ts";
import { DisplayRunner } from "./display-runner.ts";
import { answer, type RawMessage, RawVmm } from "./raw-vmm.ts";
import { gradient, TestSurface } from "./stage.ts";

/** A frame that is lent, and that a socket takes whole. */
const [width, height] = [1024, 80];
const colours = (x: number, y: number): number => gradient(x, y) & 0xffffff;

let vmm: RawVmm;
let runner: DisplayRunner;
beforeEach(() => {
  vmm = new RawVmm();
  runner = new DisplayRunner();
  runner.tell({ type: "take-vmm-socket", fd: duplicateFd(vmm.backEndFd), socket: vmm.backEndFd });
  serve();
});
afterEach(() => {
  runner.stop();
  closeFd(vmm.backEndFd);
  vmm.close();
});

/** What came by now; the question for features is answered. */
function serve(): RawMessage[] {
  runner.run();
  const messages = vmm.messages();
  const asks = messages.some(({ request }) => request === DisplayRequest.GET_PROTOCOL_FEATURES);
  if (asks) vmm.write(answer(DisplayRequest.GET_PROTOCOL_FEATURES));
  runner.run();
  return asks ? [...messages, ...vmm.messages()] : messages;
}

function show(surface: TestSurface, part = { x: 0, y: 0, width, height }): void {
  runner.tell(surface.message, { type: "show-scanout", scanout: 0, surface: surface.id, ...part });
}

function giveBack(surface: TestSurface): void {
  runner.tell({ type: "hide-scanout", scanout: 0 }, { type: "drop-surface", surface: surface.id });
  runner.run();
  expect(runner.released).toContain(surface.id);
  surface.free();
}

/** The pixels of the one UPDATE that came. */
function pixels(messages = serve()): Uint32Array {
  const updates = messages.filter(({ request }) => request === DisplayRequest.UPDATE);
  expect(updates.length).toBe(1);
  const { buffer } = updates[0]!.payload;
  return new Uint32Array(buffer.slice(20)).map((pixel) => pixel & 0xffffff);
}

const expected = (colourOf: (x: number, y: number) => number): Uint32Array =>
  Uint32Array.from({ length: width * height }, (_, at) => colourOf(at % width, Math.floor(at / width)));

describe("a picture that is read when its resource is gone", () => {
  test.each([
    ["its own", Format.B8G8R8X8, 0],
    ["in rows with padding", Format.B8G8R8A8, 512],
    ["converted", Format.R8G8B8X8, 0],
  ])("is what it was: %s", (_, format, padding) => {
    const surface = new TestSurface(1, width, height, format, padding).paint(colours);
    show(surface);
    runner.run();
    giveBack(surface);
    const others = Array.from(
      { length: 16 },
      (__, at) => new TestSurface(2 + at, width, height, format, padding),
    );
    for (const other of others) other.bytes.fill(0xee);
    expect(pixels()).toEqual(expected(colours));
    for (const other of others) other.free();
  });

  test("and nothing of what lies beside the part that is shown", () => {
    const surface = new TestSurface(1, 2 * width, 2 * height).paint((x, y) =>
      x >= width && y >= height ? colours(x - width, y - height) : 0xdeadbe,
    );
    show(surface, { x: width, y: height, width, height });
    runner.run();
    giveBack(surface);
    expect(pixels()).toEqual(expected(colours));
  });
});

describe("is lent", () => {
  const callsOf = (surface: TestSurface): Record<string, number> =>
    countCalls(() => {
      show(surface);
      runner.run();
    });

  test("what lies in a memfd in the VMM's own format", () => {
    const surface = new TestSurface(1, width, height).paint(colours);
    expect(callsOf(surface)).toMatchObject({ vmsplice: 1, splice: 1 });
    // Late, so the newest.
    surface.paint(() => 0x123456);
    expect(pixels()).toEqual(expected(() => 0x123456));
    surface.free();
  });

  test("not what is converted: the memory for it is used again", () => {
    const surface = new TestSurface(1, width, height, Format.R8G8B8X8).paint(colours);
    expect(callsOf(surface)["vmsplice"]).toBeUndefined();
    surface.paint(() => 0x123456);
    runner.tell({ type: "flush", scanout: 0, x: 0, y: 0, width, height });
    runner.run();
    const updates = serve().filter(({ request }) => request === DisplayRequest.UPDATE);
    expect(updates.length).toBe(2);
    expect(pixels(updates.slice(0, 1))).toEqual(expected(colours));
    expect(pixels(updates.slice(1))).toEqual(expected(() => 0x123456));
    surface.free();
  });

  test("not what is no memfd: a driver's memory may become another buffer's", () => {
    // A file of the disk stands for a dma-buf, and is called as one: neither can have seals.
    const surface = new TestSurface(1, width, height);
    const fd = openSync(process.execPath, "r");
    const { readlink } = libc;
    const name = new TextEncoder().encode("/dmabuf:");
    Object.assign(libc, { readlink: (_: unknown, link: Uint8Array) => (link.set(name), name.length) });
    const calls = countCalls(() => {
      runner.tell(surface.messageWith(fd), {
        type: "show-scanout",
        scanout: 0,
        surface: 1,
        x: 0,
        y: 0,
        width,
        height,
      });
      runner.run();
    });
    Object.assign(libc, { readlink });
    expect(calls["vmsplice"]).toBeUndefined();
    expect(pixels().some((pixel) => pixel !== 0)).toBe(true);
    surface.free();
  });
});

test("a display that crashes with pages in its pipe leaves nothing behind, and its successor shows the frame", () => {
  const before = openFds();
  const keep = new Int32Array(64);
  const begin = (): DisplayRunner => {
    const display = new DisplayRunner(new FakeContext("display", undefined, keep));
    display.tell({ type: "take-vmm-socket", fd: duplicateFd(fresh.backEndFd), socket: fresh.backEndFd });
    return display;
  };
  const fresh = new RawVmm();
  const [wide, high] = [800, 600];
  const area = { x: 0, y: 0, width: wide, height: high };
  const surface = new TestSurface(1, wide, high).paint(gradient);
  const crashed = begin();
  crashed.run();
  fresh.messages();
  fresh.write(answer(DisplayRequest.GET_PROTOCOL_FEATURES));
  crashed.run();
  crashed.tell(surface.message, { type: "show-scanout", scanout: 0, surface: 1, ...area });
  crashed.run();
  crashed.stop();

  const successor = begin();
  successor.tell(surface.message, { type: "show-scanout", scanout: 0, surface: 1, ...area });
  const seen: RawMessage[] = [];
  for (let round = 0; round < 20; round++) {
    successor.run();
    seen.push(...fresh.messages());
  }
  expect(fresh.leftOver).toBe(0);
  const updates = seen.filter(({ request }) => request === DisplayRequest.UPDATE);
  expect(updates.map(({ payload }) => payload.byteLength)).toEqual([1, 1].map(() => 20 + wide * high * 4));
  const [first, last] = updates.map(({ payload }) => new Uint32Array(payload.buffer.slice(20)));
  const wanted = new Uint32Array(surface.bytes.buffer);
  const cut = first!.findIndex((pixel, at) => pixel !== wanted[at]);
  expect(cut).toBeGreaterThan(0);
  expect(first!.subarray(cut).every((pixel) => pixel === 0)).toBe(true);
  expect(last).toEqual(wanted);
  successor.stop();
  surface.free();
  closeFd(fresh.backEndFd);
  fresh.close();
  expect(openFds()).toBe(before);
});

test("a VMM that closes with half of a frame read ends the sink, without a word of a fault", () => {
  const surface = new TestSurface(1, 800, 600).paint(gradient);
  runner.tell(surface.message, {
    type: "show-scanout",
    scanout: 0,
    surface: 1,
    x: 0,
    y: 0,
    width: 800,
    height: 600,
  });
  runner.run();
  closeFd(vmm.backEndFd);
  vmm.close();
  runner.run();
  runner.tell({ type: "hide-scanout", scanout: 0 }, { type: "drop-surface", surface: 1 });
  runner.run();
  expect(runner.released).toEqual([1]);
  expect(runner.context.logged.filter(({ level }) => level === "warning" || level === "error")).toEqual([]);
  expect(runner.context.logged.map(({ text }) => text)).toContain("the VMM closed its display");
  surface.free();
  vmm = new RawVmm();
});
