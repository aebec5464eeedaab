// What the inspector makes of the taps of actors that tell each other things: it empties them one after the other.

import { afterEach, beforeEach, expect, test } from "bun:test";
import { Collector } from "../../../src/actors/inspector/collector.ts";
import { picturesOf } from "../../../src/actors/inspector/pictures.ts";
import type { Tracer } from "../../../src/actors/inspector/trace/tracer.ts";
import { slotOf } from "../../../src/actors/runtime/shared-words.ts";
import { Shown, tapsBytes } from "../../../src/actors/runtime/tap/layout.ts";
import { mapTap, Tap } from "../../../src/actors/runtime/tap/tap.ts";
import { Damage } from "../../../src/picture/damage.ts";
import { Command, Response } from "../../../src/transport/wire/virtio-gpu/protocol.ts";
import { closeFd, createMemfd } from "../../../src/transport/os/fds.ts";
import { NativeMemory } from "../../../src/transport/os/native-memory.ts";
import { FakeContext } from "../../support/fake-context.ts";

const whole = { x: 0, y: 0, width: 8, height: 8 };
const all = new Damage();
all.add(0, 0, 8, 8);

let collector: Collector;
let queue: Tap;
let display: Tap;
let forget: () => void;
/** Another actor in the place of the ctrl queue's. */
let succeed: () => Tap;
beforeEach(() => {
  const fd = createMemfd("taps", tapsBytes);
  collector = new Collector(new FakeContext("inspector"), NativeMemory.mapShared(fd, 0, tapsBytes, "write"));
  queue = new Tap(mapTap(fd, slotOf("ctrl-queue")));
  display = new Tap(mapTap(fd, slotOf("display")));
  for (const tap of [queue, display]) tap.look();
  succeed = () => {
    queue.close();
    queue = new Tap(mapTap(fd, slotOf("ctrl-queue")));
    queue.whileRead();
    return queue;
  };
  forget = () => closeFd(fd);
});
afterEach(() => {
  for (const tap of [queue, display]) tap.close();
  collector.close();
  forget();
});

const send = (from: Tap, number: number): void =>
  from.sent(slotOf("display"), number, "flush", { type: "flush" });

/** The display is told of `command`, in its message of that number, and a sink draws that at once. */
function showAt(command: number): void {
  queue.shown(Shown.damage, 0, 1, 7, command, whole);
  send(queue, command);
  display.received(slotOf("ctrl-queue"), command, "flush");
  display.frameBegun("vmm", 0, 1, command, all);
  display.frameShown("vmm", 0);
  for (const tap of [queue, display]) tap.show();
}

const collect = (...tracers: Pick<Tracer, "add" | "lose">[]) =>
  collector.collect(0, () => true, tracers as Tracer[]);
const storyOf = (command: number) =>
  picturesOf(`ctrl-queue:${command}`, collector.pictures()).map(({ what }) => what);

test("a frame is told after what it shows, though both came since the last look", () => {
  showAt(1);
  const told = collect().pictures!.map(({ what, command }) => [what, command]);
  expect(told).toEqual([
    ...[
      ["damage", "ctrl-queue:1"],
      ["frame-begun", "ctrl-queue:1"],
    ],
    ["frame-shown", ""],
  ]);
  expect(storyOf(1)).toEqual(["damage", "frame-begun", "frame-shown"]);
});

test("and though actors go on while their taps are emptied", () => {
  showAt(1);
  let times = 0;
  const lose = (): void => undefined;
  collect({ add: () => void (times++ === 0 && showAt(2)), lose });
  collect();
  expect(storyOf(2)).toEqual(["damage", "frame-begun", "frame-shown"]);
  const order = collector.pictures().map(({ what, message }) => [what, message]);
  expect(order.slice(3, 5)).toEqual([
    ["damage", 2],
    ["frame-begun", 2],
  ]);
});

test("what others send the display meanwhile is not what the queue tells it", () => {
  queue.shown(Shown.damage, 0, 1, 7, 1, whole);
  collect();
  send(display, 900);
  send(queue, 3);
  for (const tap of [display, queue]) tap.show();
  collect();
  queue.shown(Shown.known, 0, 1, 7, 2, whole);
  collect();
  const told = collector.pictures().map(({ what, message, command }) => [what, message, command]);
  expect(told).toEqual([
    ["damage", 3, "ctrl-queue:1"],
    ["known", 3, "ctrl-queue:2"],
  ]);
});

const flush = Uint32Array.of(Command.RESOURCE_FLUSH, 0, 0, 0, 0, 0);

test("what a dead actor had under way ends between its records and its successor's, though nobody has looked meanwhile", () => {
  queue.whileRead();
  queue.commandTaken(flush, 24, 24);
  collector.died("ctrl-queue", 5e9);
  succeed().commandTaken(flush, 24, 24);
  queue.commandRan(Response.OK_NODATA, 24, false);
  queue.published(true);
  const died: number[] = [];
  const tracer = {
    add: () => undefined,
    lose: () => undefined,
    die: (_: number, ns: number) => died.push(ns),
  };
  const told = collect(tracer as unknown as Tracer).commands!.map((telling) => telling());
  expect(told.map(({ id, lostNs, response }) => [id, lostNs, response])).toEqual([
    ["ctrl-queue:1", 5e9, ""],
    ["ctrl-queue:2", 0, "OK_NODATA"],
  ]);
  expect(died).toEqual([5e9]);
  expect(collect().commands).toEqual([]);
});

test("an actor that has told nothing since ends nothing, and whoever begins to read hears of no death before", () => {
  succeed();
  collector.collect(0, () => true, []);
  succeed();
  expect(collect().commands).toEqual([]);
  expect(collector.history.count).toBe(0);
});
