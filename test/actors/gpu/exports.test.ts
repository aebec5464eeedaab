// Resources lent to the resource bridge: the same memory, in the guest's order, and never a later resource's.

import { afterEach, beforeEach, expect, test } from "bun:test";
import { CtrlQueue } from "../../../src/actors/gpu/ctrl-queue.ts";
import type { ResourceBridgeMessage } from "../../../src/actors/bridge/messages.ts";
import {
  attachBacking,
  createResource2d,
  request,
  transferToHost2d,
  unrefResource,
} from "../../../lab/driver/commands.ts";
import type { GuestBuffer } from "../../../lab/driver/guest-memory.ts";
import { closeFd } from "../../../src/transport/os/fds.ts";
import { Format, Response } from "../../../src/transport/wire/virtio-gpu/protocol.ts";
import { FakeContext } from "../../support/fake-context.ts";
import { openFds } from "../../support/fds.ts";
import { BorrowedPicture, storageKind } from "../../support/storage.ts";
import { QueueBench } from "../../support/queue-bench.ts";

const [width, height] = [40, 30];
const area = { x: 0, y: 0, width, height };
const bytes = width * height * 4;

let context: FakeContext;
let bench: QueueBench;
let mapped: BorrowedPicture[];
let nextToken: number;
/** Descriptors that are a test's to close. */
const lent = new Set<number>();
beforeEach(() => {
  context = new FakeContext("ctrl-queue");
  bench = new QueueBench(context, new CtrlQueue(context));
  mapped = [];
  nextToken = 1;
});
afterEach(() => {
  mapped.forEach((picture) => picture.return());
  lent.forEach(closeFd);
  lent.clear();
  bench.close();
});

function ask(resource: number): number {
  const token = nextToken++;
  bench.tell({ type: "ask-buffer", token, resource });
  return token;
}

function answers(): ResourceBridgeMessage[] {
  const taken = context.take("resource-bridge");
  for (const answer of taken) if (answer.fd >= 0) lent.add(answer.fd);
  return taken;
}

/** Asks for a resource and maps what is lent, as a borrower would. */
function borrow(resource: number): BorrowedPicture {
  const token = ask(resource);
  const [answer] = answers();
  expect(answer).toEqual({
    type: "buffer",
    token,
    fd: expect.any(Number),
    stride: storageKind === "gbm" ? expect.any(Number) : width * 4,
    offset: 0,
    modifierHigh: 0,
    modifierLow: 0,
  });
  const { fd, stride } = answer as { fd: number; stride: number };
  lent.delete(fd);
  const picture = new BorrowedPicture(fd, stride, width, height);
  mapped.push(picture);
  return picture;
}

function make(id: number): GuestBuffer {
  const buffer = bench.guest.allocate(bytes);
  expect(bench.command(createResource2d(id, Format.B8G8R8X8, width, height)).type).toBe(Response.OK_NODATA);
  expect(bench.command(attachBacking(id, [buffer])).type).toBe(Response.OK_NODATA);
  return buffer;
}

function fill(id: number, buffer: GuestBuffer, seed: number): void {
  buffer.words.forEach((_, at, words) => (words[at] = seed + at));
  expect(bench.command(transferToHost2d(id, area, 0)).type).toBe(Response.OK_NODATA);
}

function expectFilled({ pixels }: BorrowedPicture, seed: number): void {
  expect(pixels).toEqual(Uint32Array.from({ length: width * height }, (_, at) => seed + at));
}

test("a resource is lent as the memory that later transfers go to", () => {
  const buffer = make(1);
  fill(1, buffer, 1000);
  const picture = borrow(1);
  expectFilled(picture, 1000);
  fill(1, buffer, 5000);
  expectFilled(picture, 5000);
  expectFilled(borrow(1), 5000);
});

test("a resource that nothing was transferred to is lent as zeroes, and filled later", () => {
  const buffer = make(1);
  const picture = borrow(1);
  expect(picture.pixels.every((pixel) => pixel === 0)).toBe(true);
  fill(1, buffer, 7);
  expectFilled(picture, 7);
});

test("ids that are unknown or were freed are not lent", () => {
  fill(1, make(1), 1);
  bench.command(unrefResource(1));
  for (const id of [0, 1, 2, 0xffff_ffff]) {
    const token = ask(id);
    expect(answers()).toMatchObject([{ type: "buffer", token, fd: -1 }]);
  }
});

test("what was lent outlives its resource, and no later resource is put into it", () => {
  fill(1, make(1), 1000);
  const old = borrow(1);
  for (let round = 0; round < 3; round++) {
    bench.command(unrefResource(1));
    expectFilled(old, 1000);
    const buffer = make(1);
    const anew = borrow(1);
    expect(anew.pixels.every((pixel) => pixel === 0)).toBe(true);
    fill(1, buffer, 2000);
    expectFilled(anew, 2000);
    expectFilled(old, 1000);
  }
});

test("storage that was not lent is used again, and shows nothing of before to its borrower", () => {
  fill(1, make(1), 1000);
  const before = openFds();
  bench.command(unrefResource(1));
  make(2);
  expect(borrow(2).pixels.every((pixel) => pixel === 0)).toBe(true);
  // A udmabuf is made for the first borrower.
  expect(openFds()).toBe(before + (storageKind === "udmabuf" ? 1 : 0));
});

test("a resource that is created by a command that waits is found", () => {
  bench.offer(request(0));
  bench.offer(createResource2d(3, Format.R8G8B8A8, width, height));
  const token = ask(3);
  expect(answers()).toEqual([]);
  bench.run();
  expect(answers()).toMatchObject([{ type: "buffer", token }]);
});

test("a resource that is freed by a command that waits is not found", () => {
  make(3);
  bench.offer(unrefResource(3));
  const token = ask(3);
  bench.run();
  expect(answers()).toMatchObject([{ type: "buffer", token, fd: -1 }]);
});

test("questions of different kinds are answered in the order of asking", () => {
  make(1);
  bench.offer(request(0));
  ask(1);
  bench.tell({ type: "ask-cursor-image", token: 50, resource: 1, slot: 0 });
  bench.tell({ type: "ask-fence", token: 60, fenceHigh: 0, fenceLow: 1 });
  const last = ask(9);
  const before = context.sent.length;
  bench.run();
  const order = context.sent
    .slice(before)
    .filter(({ to }) => to === "resource-bridge" || to === "cursor-queue");
  expect(order.map(({ message }) => message)).toMatchObject([
    { type: "buffer", token: 1 },
    { type: "cursor-image", token: 50 },
    { type: "fence", token: 60, fd: -1 },
    { type: "buffer", token: last, fd: -1 },
  ]);
});

test("a ring that stops or breaks answers what waits for it", () => {
  make(1);
  bench.offer(request(0));
  ask(1);
  bench.stopRing();
  expect(answers()).toMatchObject([{ type: "buffer", token: 1 }]);
  ask(1);
  expect(answers()).toMatchObject([{ type: "buffer", token: 2 }]);

  bench.driver.reset(0);
  bench.ask(bench.ringStart());
  // The avail index jumps by more than the queue's size.
  bench.driver.raw.availIndex(1000);
  const token = ask(1);
  bench.run();
  expect(answers()).toMatchObject([{ token }]);
  ask(1);
  expect(answers()).toHaveLength(1);
});

test("what a bridge that crashed had asked for is not answered", () => {
  make(1);
  bench.offer(request(0));
  ask(1);
  bench.losePeer("resource-bridge");
  const token = ask(1);
  bench.run();
  expect(answers()).toMatchObject([{ token }]);
});
