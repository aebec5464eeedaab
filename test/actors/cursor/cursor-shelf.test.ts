// Cursor images that the ctrl queue lays ready: the cursor queue shows them without asking, and only what is the guest's last
// word.
import { afterEach, beforeEach, expect, test } from "bun:test";
import { CursorQueue } from "../../../src/actors/cursor/cursor-queue.ts";
import { CtrlQueue } from "../../../src/actors/gpu/ctrl-queue.ts";
import { cursorImageBytes, Shelf, SlotState } from "../../../src/actors/gpu/manifest.ts";
import * as commands from "../../../lab/driver/commands.ts";
import type { GuestBuffer } from "../../../lab/driver/guest-memory.ts";
import type { NativeMemory } from "../../../src/transport/os/native-memory.ts";
import { Format, Response } from "../../../src/transport/wire/virtio-gpu/protocol.ts";
import { closeFd } from "../../../src/transport/os/fds.ts";
import { FakeContext } from "../../support/fake-context.ts";
import { QueueBench } from "../../support/queue-bench.ts";

const whole = { x: 0, y: 0, width: 64, height: 64 };
const place = { scanoutId: 0, x: 1, y: 2 };

let ctrl: QueueBench;
let cursor: QueueBench;
let pool: NativeMemory;
let shelf: NativeMemory;
let words: Int32Array;

beforeEach(() => {
  const ctrlContext = new FakeContext("ctrl-queue");
  pool = ctrlContext.area("cursor-images", "read");
  shelf = ctrlContext.area("cursor-shelf", "write");
  new Uint8Array(shelf.view()).fill(0);
  words = new Int32Array(shelf.view(0, Shelf.words * 4));
  ctrl = new QueueBench(ctrlContext, new CtrlQueue(ctrlContext), { size: 256 });
  cursor = startCursorQueue();
});
afterEach(() => {
  cursor.close();
  ctrl.close();
  pool.unmap();
  shelf.unmap();
});

/** One that sees the memory of both rings, as it does in a guest. */
function startCursorQueue(): QueueBench {
  const context = new FakeContext("cursor-queue");
  const layout = [{ guestAddress: 2 ** 30, size: 2 ** 20 }];
  const bench = new QueueBench(context, new CursorQueue(context), { layout });
  bench.tell(bench.memoryMessage([...bench.guest.regions, ...ctrl.guest.regions]));
  return bench;
}

function makeCursor(id: number, format: number = Format.B8G8R8A8): GuestBuffer {
  const buffer = ctrl.guest.allocate(cursorImageBytes);
  ctrl.command(commands.createResource2d(id, format, 64, 64));
  ctrl.command(commands.attachBacking(id, [buffer]));
  return buffer;
}

function draw(id: number, buffer: GuestBuffer, colour: number): void {
  buffer.words.fill(colour);
  expect(ctrl.command(commands.transferToHost2d(id, whole, 0)).type).toBe(Response.OK_NODATA);
}

/** Shows resource `id`, and lets the ctrl queue answer what it is asked; returns whether it was. */
function show(id: number): boolean {
  const head = cursor.offer(commands.updateCursor(place, id));
  cursor.run();
  const asks = cursor.context.take("ctrl-queue");
  for (const ask of asks) ctrl.tell(ask);
  ctrl.run();
  for (const answer of ctrl.context.take("cursor-queue")) cursor.tell(answer);
  cursor.run();
  const { type } = cursor.takeAnswer(head)!;
  if (type !== Response.OK_NODATA) throw new RangeError(`0x${type.toString(16)}`);
  return asks.length > 0;
}

/** The pixel in every place of the image that the display was told to show last. */
function shown(): number {
  let last: { slot: number } | undefined;
  while (last === undefined) {
    // Told later where a display has no limit and is told a lot.
    const { timers, epoll } = cursor.context;
    if (timers.timeout() > 0) epoll.wait(timers.timeout());
    cursor.run();
    last = cursor.context
      .take("display")
      .findLast((message) => message.type === "show-cursor") as typeof last;
  }
  const pixels = new Uint32Array(pool.view(last.slot * cursorImageBytes, cursorImageBytes));
  expect(pixels.every((pixel) => pixel === pixels[0])).toBe(true);
  return pixels[0]!;
}

/** A guest that has shown one cursor. */
function begin(): void {
  const buffer = makeCursor(1);
  draw(1, buffer, 0x1111_1111);
  expect(show(1)).toBe(true);
  expect(shown()).toBe(0x1111_1111);
}

test("an image that was drawn since there is a cursor is shown without a question", () => {
  begin();
  for (let id = 2; id < 60; id++) {
    draw(id, makeCursor(id, id % 2 === 0 ? Format.B8G8R8A8 : Format.B8G8R8X8), 0xff00_0000 + id);
    expect(show(id)).toBe(false);
    expect(shown()).toBe(0xff00_0000 + id);
    ctrl.command(commands.unrefResource(id));
  }
});

test("an image that was drawn anew is the new one, whatever part of it", () => {
  begin();
  const buffer = makeCursor(2);
  for (let colour = 1; colour < 9; colour++) {
    draw(2, buffer, colour);
    expect(show(2)).toBe(false);
    expect(shown()).toBe(colour);
  }
  buffer.words.fill(9);
  const half = { ...whole, height: 32 };
  ctrl.command(commands.transferToHost2d(2, half, 0));
  ctrl.command(commands.transferToHost2d(2, { ...half, y: 32 }, 32 * 256));
  expect(show(2)).toBe(false);
  expect(shown()).toBe(9);
});

test("a transfer that waits in the ctrl ring comes first", () => {
  begin();
  const buffer = makeCursor(2);
  draw(2, buffer, 5);
  buffer.words.fill(6);
  ctrl.offer(commands.transferToHost2d(2, whole, 0));
  expect(show(2)).toBe(true);
  expect(shown()).toBe(6);
});

test("an image behind one that is on its way comes after it", () => {
  begin();
  draw(2, makeCursor(2), 2);
  const late = ctrl.offer(commands.flushResource(2, whole));
  cursor.offer(commands.updateCursor(place, 2));
  cursor.run();
  ctrl.run();
  expect(ctrl.takeAnswer(late)).not.toBeNull();
  cursor.offer(commands.updateCursor(place, 2));
  cursor.run();
  expect(cursor.context.take("ctrl-queue")).toHaveLength(2);
});

test("what is no longer the resource's is not shown", () => {
  begin();
  draw(2, makeCursor(2), 2);
  ctrl.command(commands.unrefResource(2));
  expect(() => show(2)).toThrow("0x1203");
  draw(3, makeCursor(3), 3);
  ctrl.command(commands.unrefResource(3));
  makeCursor(3);
  expect(show(3)).toBe(true);
  expect(shown()).toBe(0);
  // In the same slot as another.
  draw(4, makeCursor(4), 4);
  draw(4 + Shelf.slots, makeCursor(4 + Shelf.slots), 5);
  expect(show(4)).toBe(true);
  expect(shown()).toBe(4);
});

test("pixels that somebody else may write, or of another byte order, are asked for", () => {
  begin();
  draw(2, makeCursor(2), 2);
  ctrl.tell({ type: "ask-buffer", token: 9, resource: 2 });
  for (const { fd } of ctrl.context.take("resource-bridge")) closeFd(fd);
  expect(show(2)).toBe(true);
  expect(shown()).toBe(2);
  draw(3, makeCursor(3, Format.R8G8B8A8), 0x44_33_22_11);
  expect(show(3)).toBe(true);
  expect(shown()).toBe(0x44_11_22_33);
});

test("images that nobody shows are soon no longer laid ready, until one is shown again", () => {
  begin();
  const buffer = makeCursor(2);
  for (let count = 0; count <= 16; count++) draw(2, buffer, count);
  expect(show(2)).toBe(true);
  expect(shown()).toBe(16);
  draw(2, buffer, 20);
  expect(show(2)).toBe(false);
  expect(shown()).toBe(20);
});

test("a driver that starts anew finds nothing of the last one, and is served as that was", () => {
  begin();
  draw(2, makeCursor(2), 2);
  ctrl.stopRing();
  expect(words[Shelf.run]).toBe(0);
  ctrl.driver.reset(0);
  ctrl.ask(ctrl.ringStart());
  ctrl.run();
  expect(() => show(2)).toThrow("0x1203");
  draw(2, makeCursor(2), 7);
  expect(show(2)).toBe(false);
  expect(shown()).toBe(7);
});

test("a ring that is disabled is asked, and known again once it goes on", () => {
  begin();
  draw(2, makeCursor(2), 2);
  ctrl.ask({ type: "enable-ring", enabled: false, token: 5 });
  expect(words[Shelf.run]).toBe(0);
  expect(show(2)).toBe(true);
  ctrl.ask({ type: "enable-ring", enabled: true, token: 6 });
  ctrl.run();
  expect(show(2)).toBe(false);
});

test("a cursor queue whose memory has changed finds the ctrl ring again, or asks", () => {
  begin();
  draw(2, makeCursor(2), 2);
  expect(show(2)).toBe(false);
  cursor.tell(cursor.memoryMessage());
  expect(show(2)).toBe(true);
  cursor.tell(cursor.memoryMessage([...ctrl.guest.regions, ...cursor.guest.regions]));
  expect(show(2)).toBe(false);
});

test("how far the ring is served is said of a queue that never sleeps, so that no index that came round passes for it", () => {
  begin();
  const flush = commands.flushResource(1, whole);
  const batch = () => Array.from({ length: 64 }, () => ctrl.offer(flush, 24));
  batch();
  for (let round = 0; round < 8; round++) {
    batch();
    const before = words[Shelf.reached]!;
    expect(ctrl.served.turn()).toBe(true);
    expect(words[Shelf.reached]).toBe(before + 64);
    ctrl.collect();
  }
});

test("a slot that changes while it is read is nobody's, until the reader has cleared it", () => {
  begin();
  const buffer = makeCursor(2);
  draw(2, buffer, 2);
  const at = Shelf.states + 2;
  expect(words[at]).toBe(SlotState.full);
  // As a reader has it that is just copying, and crashes.
  words[at] = SlotState.reading;
  draw(2, buffer, 3);
  expect(words[at]).toBe(SlotState.stale);
  draw(2, buffer, 4);
  expect(words[at]).toBe(SlotState.stale);
  expect(show(2)).toBe(true);
  expect(shown()).toBe(4);

  cursor.close();
  cursor = startCursorQueue();
  expect(words[at]).toBe(SlotState.empty);
  draw(2, buffer, 5);
  expect(show(2)).toBe(false);
  expect(shown()).toBe(5);
});
