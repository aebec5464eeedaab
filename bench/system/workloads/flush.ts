// RESOURCE_FLUSH of a whole 1080p frame: to a display that reads, and to one that has stopped.

import type { CommandPipeline } from "../../../lab/driver/command-pipeline.ts";
import * as commands from "../../../lab/driver/commands.ts";
import { areaOf } from "../../../lab/driver/gpu-driver.ts";
import { bytesPerPixel, Format } from "../../../src/transport/wire/virtio-gpu/protocol.ts";
import { type Figure, figure } from "../figure.ts";
import type { Stage } from "../stage.ts";
import type { GuestWorkload } from "../workload.ts";
import { sizes } from "./transfer.ts";

const size = sizes["1080p"];
const frameBytes = size.width * size.height * bytesPerPixel;
const screen = 1;
/** After which a display or a device counts as stuck. */
const patienceMs = 5_000;

export const flushes: GuestWorkload[] = [
  {
    kind: "guest",
    name: "flush/reading",
    title: "RESOURCE_FLUSH, 1920×1080, the next one when the display has the last",
    renderer: "software",
    isUnpaced: true,
    pinned: false,
    measure(stage) {
      const pipeline = shownScreen(stage);
      const answers: number[] = [];
      const answerNs = new Float64Array(1);
      const windows = stage.windows((count, measured) => {
        for (let index = 0; index < count; index++) {
          const wanted = stage.display.pixelBytes + frameBytes;
          pipeline.run(1, null, answerNs);
          if (measured) answers.push(answerNs[0]! / 1000);
          if (!stage.display.waitUntil(() => stage.display.pixelBytes >= wanted, patienceMs)) {
            throw new Error(`a frame did not arrive within ${patienceMs} ms`);
          }
        }
      });
      return [
        figure(
          "frames shown",
          "frames/s",
          "more",
          windows.seconds.map((one) => 1 / one),
        ),
        figure("answer", "µs", "less", answers),
        ...stage.cost("frame", windows),
      ];
    },
  },
  {
    kind: "guest",
    name: "flush/flood",
    title: "RESOURCE_FLUSH, 1920×1080, the next one when the last is answered, each shown that can be",
    renderer: "software",
    isUnpaced: true,
    pinned: false,
    measure: measureFlood,
  },
  {
    kind: "guest",
    name: "flush/paced",
    title: "RESOURCE_FLUSH, 1920×1080, the next one when the last is answered, as a person sees them",
    renderer: "software",
    pinned: false,
    measure: measureFlood,
  },
  {
    kind: "guest",
    name: "flush/stalled",
    title: "RESOURCE_FLUSH, 1920×1080, to a display that does not read",
    renderer: "software",
    pinned: false,
    measure: measureStalled,
  },
];

function shownScreen(stage: Stage): CommandPipeline {
  const { gpu } = stage.guest;
  const image = gpu.createImage(screen, Format.B8G8R8X8, size.width, size.height);
  image.pixels.fill(0x00336699);
  gpu.show(0, image);
  if (!stage.display.waitUntil(() => stage.display.pixelBytes >= frameBytes, patienceMs)) {
    throw new Error("the display does not get the first frame");
  }
  const request = commands.flushResource(screen, areaOf(size));
  const pipeline = stage.pipeline({ depth: 1, requestBytes: request.byteLength });
  pipeline.fill(request);
  return pipeline;
}

function measureFlood(stage: Stage): Figure[] {
  const pipeline = shownScreen(stage);
  let shownBytes = 0;
  let seconds = 0;
  let answered = 0;
  const windows = stage.windows((count, measured) => {
    const from = performance.now();
    const before = stage.display.pixelBytes;
    pipeline.run(count);
    if (!measured) return;
    answered += count;
    seconds += (performance.now() - from) / 1000;
    shownBytes += stage.display.pixelBytes - before;
  });
  const shown = shownBytes / frameBytes;
  const rates = windows.seconds.map((one) => 1 / one);
  return [
    figure("answered", "commands/s", "more", rates),
    figure("frames shown", "frames/s", "neither", [shown / seconds]),
    figure("server CPU a frame", "µs/frame", "less", [(windows.cpuUs * answered) / shown]),
    ...stage.cost("command", windows),
  ];
}

/** A guest that is made to wait never gets an answer, so there is an end to its patience. */
function measureStalled(stage: Stage): Figure[] {
  const pipeline = shownScreen(stage);
  const { ring } = stage.guest.control;
  stage.display.stall();
  ring.disableCall();
  const head = ring.add([pipeline.requests[0]!], [pipeline.responses[0]!]);
  const { warmMs, measureMs } = stage.budget;
  const start = performance.now();
  const measured = start + warmMs;
  const end = measured + measureMs;
  const answers: number[] = [];
  let longestMs = 0;
  for (let now = start; now < end;) {
    ring.offer(head);
    ring.commit();
    while (!ring.hasUsed() && performance.now() < end) stage.guest.pump.epoll.wait(0);
    const done = performance.now();
    if (now >= measured) answers.push((done - now) * 1000);
    if (now >= measured || done >= end) longestMs = Math.max(longestMs, done - now);
    now = done;
    if (!ring.hasUsed()) break;
    ring.pop();
  }
  return [
    figure("answered", "commands/s", "more", [answers.length / (measureMs / 1000)]),
    figure("longest wait", "ms", "less", [longestMs]),
  ];
}
