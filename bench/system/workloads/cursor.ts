// MOVE_CURSOR: alone, and while the control queue never runs empty.

import * as commands from "../../../lab/driver/commands.ts";
import { areaOf, expectOk } from "../../../lab/driver/gpu-driver.ts";
import { bytesPerPixel, Cursor, Format, Header } from "../../../src/transport/wire/virtio-gpu/protocol.ts";
import { type Figure, figure } from "../figure.ts";
import type { Stage } from "../stage.ts";
import type { GuestWorkload } from "../workload.ts";
import { clearStream, openScene, submitRequest } from "./streams.ts";
import { sizes } from "./transfer.ts";

const pointer = 1;
const picture = 2;
const request = commands.moveCursor({ scanoutId: 0, x: 0, y: 0 }, pointer);
/** A mouse's. */
const movesPerSecond = 1000;

export const cursors: GuestWorkload[] = [
  {
    kind: "guest",
    name: "cursor/16",
    title: "MOVE_CURSOR, 16 in flight",
    renderer: "software",
    pinned: false,
    measure(stage) {
      const pipeline = movePipeline(stage, 16);
      const shownBefore = stage.display.cursorMessages;
      const from = performance.now();
      const figures = stage.rate("move", (count) => pipeline.run(count, pipeline.move));
      const shown = (stage.display.cursorMessages - shownBefore) / ((performance.now() - from) / 1000);
      return [...figures, figure("shown", "moves/s", "neither", [shown])];
    },
  },
  {
    kind: "guest",
    name: "cursor/1",
    title: "MOVE_CURSOR, one at a time",
    renderer: "software",
    pinned: false,
    measure(stage) {
      const pipeline = movePipeline(stage, 1);
      return stage.latency("move", pipeline, pipeline.move);
    },
  },
  {
    kind: "guest",
    name: "cursor/busy/transfers",
    title: `MOVE_CURSOR ${movesPerSecond} times a second while 16 TRANSFER_TO_HOST_2D of 3840×2160 are in flight`,
    renderer: "software",
    pinned: false,
    measure: (stage) => measureBusy(stage, transferRequest(stage), 16),
  },
  {
    kind: "guest",
    name: "cursor/busy/streams",
    title: `MOVE_CURSOR ${movesPerSecond} times a second while 16 SUBMIT_3D that clear 1920×1080 are in flight`,
    renderer: "virgl",
    pinned: false,
    measure(stage) {
      const scene = openScene(stage, sizes["1080p"]);
      return measureBusy(stage, submitRequest(clearStream(scene), 1), 16);
    },
  },
];

/** Moves on the cursor queue, each to another place, without room for an answer as drivers send them. */
function movePipeline(stage: Stage, depth: number) {
  showPointer(stage);
  const { ring } = stage.guest.cursor;
  const pipeline = stage.pipeline({ ring, depth, requestBytes: request.byteLength, responseBytes: 0 });
  pipeline.fill(request);
  const words = pipeline.requests.map((buffer) => buffer.words);
  let x = 0;
  return Object.assign(pipeline, {
    move: (slot: number): void => {
      words[slot]![Cursor.x / 4] = x = (x + 1) & 1023;
    },
  });
}

function showPointer({ guest: { gpu } }: Stage): void {
  const image = gpu.createImage(pointer, Format.B8G8R8A8, 64, 64);
  image.pixels.fill(0xffff_ffff);
  expectOk(gpu.transferToHost2d(pointer, areaOf(image)), "TRANSFER_TO_HOST_2D");
  gpu.updateCursor({ scanoutId: 0, x: 0, y: 0 }, pointer);
}

function transferRequest({ guest: { gpu } }: Stage): DataView {
  const { width, height } = sizes["4k"];
  const image = gpu.createImage(picture, Format.B8G8R8X8, width, height);
  image.backing.bytes.fill(0x5a, 0, width * height * bytesPerPixel);
  return commands.transferToHost2d(picture, areaOf(image), 0);
}

/** Offers `depth` of one request on the ctrl queue, which then has that to do. */
function offerLoad({ memory, control: { ring } }: Stage["guest"], load: DataView, depth: number): void {
  for (let slot = 0; slot < depth; slot++) {
    const readable = memory.allocate(load.byteLength, 64);
    readable.bytes.set(new Uint8Array(load.buffer));
    ring.offer(ring.add([readable], [memory.allocate(Header.bytes, 64)]));
  }
  ring.commit();
}

/** A back-end may leave every move waiting for ever, so the measurement ends by the clock. */
function measureBusy(stage: Stage, load: DataView, depth: number): Figure[] {
  showPointer(stage);
  const { guest, budget } = stage;
  const { pump, memory } = guest;
  const control = guest.control.ring;
  const cursor = guest.cursor.ring;
  offerLoad(guest, load, depth);
  const move = memory.allocate(request.byteLength, 64);
  move.bytes.set(new Uint8Array(request.buffer));
  const moveWords = move.words;
  const head = cursor.add([move], []);

  const intervalMs = 1000 / movesPerSecond;
  const measured = performance.now() + budget.warmMs;
  const end = measured + budget.measureMs;
  const answers: number[] = [];
  let loads = 0;
  let longestMs = 0;
  let sent = -1;
  let next = 0;
  for (let now = performance.now(); now < end; now = performance.now()) {
    for (let done = control.pop(); done >= 0; done = control.pop()) {
      control.offer(done);
      if (now >= measured) loads++;
    }
    control.commit();
    if (cursor.pop() >= 0) {
      if (sent >= measured) answers.push((now - sent) * 1000);
      if (sent >= measured) longestMs = Math.max(longestMs, now - sent);
      sent = -1;
    }
    if (sent < 0 && now >= next) {
      moveWords[Cursor.x / 4] = (moveWords[Cursor.x / 4]! + 1) & 1023;
      sent = performance.now();
      next = sent + intervalMs;
      cursor.offer(head);
      cursor.commit();
    }
    if (!control.enableCall(depth / 2) && !cursor.enableCall()) pump.epoll.wait(1);
  }
  if (sent >= 0) longestMs = Math.max(longestMs, end - Math.max(sent, measured));
  const seconds = budget.measureMs / 1000;
  return [
    figure("moves answered", "moves/s", "more", [answers.length / seconds]),
    figure("answer", "µs", "less", answers.length > 0 ? answers : [Infinity]),
    figure("longest wait", "ms", "less", [longestMs]),
    figure("load", "commands/s", "neither", [loads / seconds]),
  ];
}
