// Cursor images for the cursor queue: taken only when the commands before them have run, and never from thin air.
import { afterEach, beforeEach, expect, test } from "bun:test";
import { CtrlQueue } from "../../../src/actors/gpu/ctrl-queue.ts";
import {
  attachBacking,
  createResource2d,
  request,
  transferToHost2d,
  unrefResource,
} from "../../../lab/driver/commands.ts";
import type { GuestBuffer } from "../../../lab/driver/guest-memory.ts";
import type { NativeMemory } from "../../../src/transport/os/native-memory.ts";
import { Format, Response } from "../../../src/transport/wire/virtio-gpu/protocol.ts";
import { FakeContext } from "../../support/fake-context.ts";
import { QueueBench } from "../../support/queue-bench.ts";

const imageBytes = 64 * 64 * 4;
const whole = { x: 0, y: 0, width: 64, height: 64 };

let context: FakeContext;
let bench: QueueBench;
let pool: NativeMemory;
let nextToken: number;
beforeEach(() => {
  context = new FakeContext("ctrl-queue");
  bench = new QueueBench(context, new CtrlQueue(context));
  nextToken = 1;
  pool = context.area("cursor-images", "write");
  new Uint8Array(pool.view()).fill(0);
});
afterEach(() => {
  bench.close();
  pool.unmap();
});

function ask(resource: number, slot = 0): number {
  const token = nextToken++;
  bench.tell({ type: "ask-cursor-image", token, resource, slot });
  return token;
}

const answers = () => context.take("cursor-queue");
const pixels = (slot: number) => new Uint32Array(pool.view(slot * imageBytes, imageBytes));

function makeCursor(id: number, format: number = Format.B8G8R8A8, width = 64, height = 64): GuestBuffer {
  const buffer = bench.guest.allocate(width * height * 4);
  bench.command(createResource2d(id, format, width, height));
  bench.command(attachBacking(id, [buffer]));
  return buffer;
}

test("an image is copied into the slot that was asked for", () => {
  makeCursor(1).words.forEach((_, at, words) => (words[at] = 0x8000_0000 + at));
  bench.command(transferToHost2d(1, whole, 0));

  const token = ask(1, 7);

  expect(answers()).toEqual([{ type: "cursor-image", token, error: 0, isNew: true }]);
  pixels(7).forEach((pixel, at) => expect(pixel).toBe(0x8000_0000 + at));
  expect(pixels(6).every((pixel) => pixel === 0)).toBe(true);
});

test("an image is converted to B, G, R, A", () => {
  makeCursor(1, Format.R8G8B8A8).words.fill(0x44_33_22_11);
  bench.command(transferToHost2d(1, whole, 0));
  ask(1);

  expect(pixels(0)[0]).toBe(0x44_11_22_33);
});

test("a transfer that is already in the ring comes first", () => {
  makeCursor(1).words.fill(0xaaaa_aaaa);
  bench.offer(request(0));
  bench.offer(transferToHost2d(1, whole, 0));

  const token = ask(1);
  expect(answers()).toEqual([]);
  bench.run();

  expect(answers()).toEqual([{ type: "cursor-image", token, error: 0, isNew: true }]);
  expect(pixels(0)[4095]).toBe(0xaaaa_aaaa);
});

test("a flood of later commands does not hold the image back", () => {
  const buffer = makeCursor(1);
  buffer.words.fill(1);
  bench.offer(transferToHost2d(1, whole, 0));
  const token = ask(1);
  for (let count = 0; count < 20; count++) bench.offer(request(0));
  bench.run();

  expect(answers()).toEqual([{ type: "cursor-image", token, error: 0, isNew: true }]);
});

test("the barrier holds where the indexes wrap", () => {
  makeCursor(1);
  bench.stopRing();
  bench.driver.reset(65534);
  bench.ask(bench.ringStart({ base: 65534 }));
  for (let round = 1; round <= 4; round++) {
    for (let count = 0; count < 3; count++) bench.offer(request(0));
    const token = ask(1);
    expect(answers()).toEqual([]);
    bench.run();
    expect(answers()).toEqual([{ type: "cursor-image", token, error: 0, isNew: true }]);
  }
});

test("several images are answered in the order of asking", () => {
  makeCursor(1);
  bench.offer(request(0));
  const tokens = [ask(1, 0), ask(2, 1), ask(1, 2)];
  bench.run();

  expect(answers()).toMatchObject([
    { token: tokens[0]!, error: 0 },
    { token: tokens[1]!, error: Response.ERR_INVALID_RESOURCE_ID },
    { token: tokens[2]!, error: 0 },
  ]);
});

test("an image of a resource that is freed by a command before it is refused", () => {
  makeCursor(1);
  bench.offer(unrefResource(1));
  ask(1);
  bench.run();

  expect(answers()).toMatchObject([{ error: Response.ERR_INVALID_RESOURCE_ID }]);
});

test("a picture of another size is no new image, which the log says once", () => {
  makeCursor(9).words.fill(0xaaaa_aaaa);
  bench.command(transferToHost2d(9, whole, 0));
  ask(9, 2);
  answers();
  context.logged.length = 0;
  for (const [width, height] of [
    [63, 64],
    [64, 65],
    [1, 4096],
  ] as const) {
    makeCursor(1, Format.B8G8R8A8, width, height);
    ask(1, 2);
    expect(answers()).toMatchObject([{ error: 0, isNew: false }]);
    bench.command(unrefResource(1));
  }
  expect(pixels(2).every((pixel) => pixel === 0xaaaa_aaaa)).toBe(true);
  expect(context.logged.map(({ text }) => text)).toEqual([expect.stringContaining("63x64 pixels")]);
});

test("an image that nothing was transferred to is transparent, whatever the slot held", () => {
  makeCursor(1).words.fill(0xffff_ffff);
  bench.command(transferToHost2d(1, whole, 0));
  ask(1, 3);
  makeCursor(2);
  ask(2, 3);

  expect(answers()).toMatchObject([{ error: 0 }, { error: 0 }]);
  expect(pixels(3).every((pixel) => pixel === 0)).toBe(true);
});

test("without a ring an image is answered at once", () => {
  makeCursor(1);
  bench.stopRing();
  ask(1);

  expect(answers()).toMatchObject([{ error: 0 }]);
});

test("a ring that is stopped and started anew does not leave an older question waiting", () => {
  makeCursor(1);
  bench.offer(request(0));
  const token = ask(1);
  bench.stopRing();
  bench.driver.reset(0);
  bench.ask(bench.ringStart());
  bench.run();

  expect(answers()).toMatchObject([{ token }]);
});
