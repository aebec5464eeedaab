// What a guest gets done while it is recorded (`--record`): small commands, streams, whole pictures that are new each time,
// and a desktop at its own pace. Driver, queue and recorder are where the kernel puts them, as they are in use.

import * as commands from "../../../lab/driver/commands.ts";
import { areaOf, expectOk } from "../../../lab/driver/gpu-driver.ts";
import { Desktop } from "../../../lab/scenes/desktop.ts";
import { bytesPerPixel, Format, TransferToHost2d } from "../../../src/transport/wire/virtio-gpu/protocol.ts";
import type { CommandPipeline } from "../../../lab/driver/command-pipeline.ts";
import { Beat } from "../beat.ts";
import { type Figure, figure } from "../figure.ts";
import { type Content, contents, paint } from "../pictures.ts";
import { expectOkAnswers, type Stage, type Windows } from "../stage.ts";
import type { GuestWorkload } from "../workload.ts";
import { smallestPipeline } from "./smallest.ts";
import { stillLifeStream, submitRequest } from "./streams.ts";
import { sizes } from "./transfer.ts";

const size = sizes["1080p"];
const frameBytes = size.width * size.height * bytesPerPixel;
/** Pictures that take turns. */
const frames = 8;
const framesPerSecond = 60;
const updatesPerSecond = 30;
/** Entries are in the file after a second. */
const desktopMs = 6_000;
const mebibyte = 2 ** 20;
const picture = 1;

const common = { kind: "guest", pinned: false } as const;

export const recorded: GuestWorkload[] = [
  {
    ...common,
    name: "record/smallest",
    title: "Smallest command, 64 in flight",
    renderer: "software",
    measure(stage) {
      const pipeline = smallestPipeline(stage, 64);
      return rate(stage, "command", pipeline, (count) => pipeline.run(count));
    },
  },
  {
    ...common,
    name: "record/stream",
    title: "SUBMIT_3D of a scene, as long as a frame of kmscube, 16 in flight",
    renderer: "virgl",
    measure(stage) {
      const request = submitRequest(stillLifeStream(stage));
      const pipeline = stage.pipeline({ depth: 16, requestBytes: request.byteLength });
      pipeline.fill(request);
      return rate(stage, "stream", pipeline, (count) => pipeline.run(count));
    },
  },
  ...contents.map((content): GuestWorkload => ({
    ...common,
    name: `record/transfer/${content}`,
    title: `TRANSFER_TO_HOST_2D, 1920×1080, ${content} and new each time, two in flight`,
    renderer: "software",
    measure(stage) {
      const { pipeline, next } = newPictures(stage, content);
      return rate(stage, "transfer", pipeline, (count) => pipeline.run(count, next));
    },
  })),
  ...contents.map((content): GuestWorkload => ({
    ...common,
    name: `record/paced/${content}`,
    title: `The same ${framesPerSecond} times a second, as much as a display shows`,
    renderer: "software",
    measure(stage) {
      const { pipeline, next } = newPictures(stage, content);
      const beat = new Beat(framesPerSecond);
      return rate(stage, "transfer", pipeline, (count) => {
        for (let left = count; left > 0; left -= pipeline.depth) {
          beat.wait(pipeline.depth);
          pipeline.run(pipeline.depth, next);
        }
      });
    },
  })),
  {
    ...common,
    name: "record/desktop",
    title: `A desktop, ${updatesPerSecond} times a second: letters typed and a window moved`,
    renderer: "software",
    measure(stage) {
      const desktop = new Desktop(stage.guest.gpu, picture);
      const beat = new Beat(updatesPerSecond);
      let number = 0;
      const work = (count: number): void => {
        for (let left = count; left > 0; left--) {
          beat.wait(1);
          desktop.show(++number);
        }
      };
      return figures(stage, "update", stage.windows(work, 1, desktopMs));
    },
  },
];

/** A pipeline of transfers to one resource, from `frames` pictures in turn. */
function newPictures(
  stage: Stage,
  content: Content,
): { pipeline: CommandPipeline; next: (slot: number) => void } {
  const { gpu, memory } = stage.guest;
  const backing = memory.allocate(frames * frameBytes);
  for (let frame = 0; frame < frames; frame++) {
    paint(content, backing.slice(frame * frameBytes, frameBytes).words, size.width, frame);
  }
  expectOk(gpu.createResource2d(picture, Format.B8G8R8X8, size.width, size.height), "RESOURCE_CREATE_2D");
  expectOk(gpu.attachBacking(picture, [backing]), "RESOURCE_ATTACH_BACKING");
  const request = commands.transferToHost2d(picture, areaOf(size), 0);
  const pipeline = stage.pipeline({ depth: 2, requestBytes: request.byteLength });
  pipeline.fill(request);
  const requests = pipeline.requests.map(({ words }) => words);
  let frame = 0;
  const next = (slot: number): void => {
    requests[slot]![TransferToHost2d.offset / 4] = (++frame % frames) * frameBytes;
  };
  return { pipeline, next };
}

/** How many a second, what each costs the server, and what it writes of it. */
function rate(
  stage: Stage,
  unit: string,
  pipeline: CommandPipeline,
  work: (count: number) => void,
): Figure[] {
  const windows = stage.windows(work, pipeline.depth);
  expectOkAnswers(pipeline);
  return figures(stage, unit, windows);
}

function figures(stage: Stage, unit: string, windows: Windows): Figure[] {
  const rates = windows.seconds.map((one) => 1 / one);
  const seconds = windows.seconds.reduce((sum, one) => sum + one, 0) / windows.seconds.length;
  return [
    figure("rate", `${unit}s/s`, "more", rates),
    ...stage.cost(unit, windows),
    figure("written", "MiB/s", "neither", [windows.writtenBytes / seconds / mebibyte]),
  ];
}
