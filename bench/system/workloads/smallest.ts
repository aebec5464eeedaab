// The smallest command that does nothing but be checked and answered: RESOURCE_FLUSH of what no scanout shows.

import type { CommandPipeline } from "../../../lab/driver/command-pipeline.ts";
import * as commands from "../../../lab/driver/commands.ts";
import { areaOf, expectOk } from "../../../lab/driver/gpu-driver.ts";
import { Format } from "../../../src/transport/wire/virtio-gpu/protocol.ts";
import { expectOkAnswers, type Stage } from "../stage.ts";
import type { Renderer } from "../backends.ts";
import type { GuestWorkload } from "../workload.ts";

const size = { width: 64, height: 64 };
const hidden = 1;
/** Long enough for every server to have gone to sleep. */
const pauseUs = 200;

export const smallest: GuestWorkload[] = (["software", "virgl"] as Renderer[]).flatMap((renderer) => [
  {
    kind: "guest",
    name: `smallest/${renderer}/64`,
    title: "Smallest command, 64 in flight",
    renderer,
    pinned: true,
    measure(stage) {
      const pipeline = smallestPipeline(stage, 64);
      const figures = stage.rate("command", (count) => pipeline.run(count), pipeline.depth);
      expectOkAnswers(pipeline);
      return figures;
    },
  },
  {
    kind: "guest",
    name: `smallest/${renderer}/1`,
    title: "Smallest command, one at a time",
    renderer,
    pinned: true,
    measure(stage) {
      const pipeline = smallestPipeline(stage, 1);
      const figures = stage.latency("command", pipeline);
      expectOkAnswers(pipeline);
      return figures;
    },
  },
  {
    kind: "guest",
    name: `smallest/${renderer}/rare`,
    title: `Smallest command, ${pauseUs} µs after the last one's answer`,
    renderer,
    pinned: true,
    measure(stage) {
      const pipeline = smallestPipeline(stage, 1);
      const figures = stage.latency("command", pipeline, pause);
      expectOkAnswers(pipeline);
      return figures;
    },
  },
]);

export function smallestPipeline(stage: Stage, depth: number): CommandPipeline {
  const { gpu } = stage.guest;
  expectOk(gpu.createResource2d(hidden, Format.B8G8R8X8, size.width, size.height), "RESOURCE_CREATE_2D");
  const request = commands.flushResource(hidden, areaOf(size));
  const pipeline = stage.pipeline({ depth, requestBytes: request.byteLength });
  pipeline.fill(request);
  return pipeline;
}

function pause(): void {
  const end = Bun.nanoseconds() + pauseUs * 1000;
  while (Bun.nanoseconds() < end);
}
