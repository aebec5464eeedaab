// A guest's first second with a fresh server, all of whose threads share one processor: what a command waits for while
// compilers and collectors have yet to run. The driver is warm before: what it takes itself is not what is asked.

import { CommandPipeline } from "../../../lab/driver/command-pipeline.ts";
import * as commands from "../../../lab/driver/commands.ts";
import { expectOk } from "../../../lab/driver/gpu-driver.ts";
import { pageBytes } from "../../../lab/driver/guest-memory.ts";
import { Format } from "../../../src/transport/wire/virtio-gpu/protocol.ts";
import { Echo } from "../echo.ts";
import { type Figure, figure } from "../figure.ts";
import { pin } from "../scheduling.ts";
import { expectOkAnswers, type Stage } from "../stage.ts";
import type { GuestWorkload } from "../workload.ts";
import { fillInTurn } from "./resources.ts";
import { smallestPipeline } from "./smallest.ts";
import { clearStream, openScene, submitRequest } from "./streams.ts";
import { scatteredPages } from "./transfer.ts";

const driverWarmMs = 300;
const secondMs = 1_000;
const samplesMax = 16_000_000;
const size = { width: 64, height: 64 };
const attachedPages = 16_384;

export const firstSecond: GuestWorkload[] = [
  first("smallest", "Smallest command, 64 in flight", "software", 4096, (stage) =>
    smallestPipeline(stage, 64),
  ),
  first(
    "create",
    "RESOURCE_CREATE_2D of 64×64 and RESOURCE_UNREF, 32 pairs in flight",
    "software",
    4096,
    (stage) => {
      const pipeline = stage.pipeline({ depth: 64, requestBytes: 40 });
      fillInTurn(pipeline, (id) => [
        commands.createResource2d(id, Format.B8G8R8A8, size.width, size.height),
        commands.unrefResource(id),
      ]);
      return pipeline;
    },
  ),
  first(
    "attach",
    `ATTACH_BACKING of ${attachedPages} entries and DETACH_BACKING in turn`,
    "software",
    64,
    attaching,
  ),
  first("clear", "A fenced stream that clears 64×64, one at a time", "virgl", 64, (stage) => {
    const request = submitRequest(clearStream(openScene(stage, size)), 1);
    const pipeline = stage.pipeline({ depth: 1, requestBytes: request.byteLength });
    pipeline.fill(request);
    return pipeline;
  }),
];

/** `chunk` commands are sent at a time. */
function first(
  name: string,
  title: string,
  renderer: GuestWorkload["renderer"],
  chunk: number,
  open: (stage: Stage) => CommandPipeline,
): GuestWorkload {
  return {
    kind: "guest",
    name: `first/${name}`,
    title: `${title}: in the first second, all of the server on one processor`,
    renderer,
    pinned: true,
    bootMs: 1_000,
    measure(stage) {
      warmDriver(chunk);
      pin(stage.serverPid, (stage.cpus?.server ?? []).slice(0, 1));
      const pipeline = open(stage);
      const figures = measureSecond(pipeline, chunk);
      expectOkAnswers(pipeline);
      return figures;
    },
  };
}

function warmDriver(chunk: number): void {
  const echo = new Echo();
  const samples = new Float64Array(chunk);
  const end = performance.now() + driverWarmMs;
  while (performance.now() < end) echo.pipeline.run(chunk, null, samples);
  echo.close();
}

function measureSecond(pipeline: CommandPipeline, chunk: number): Figure[] {
  const samples = new Float64Array(samplesMax);
  const from = performance.now();
  let count = 0;
  let tookMs = 0;
  while (tookMs < secondMs && count + chunk <= samplesMax) {
    pipeline.run(chunk, null, samples.subarray(count, count + chunk));
    count += chunk;
    tookMs = performance.now() - from;
  }
  const us = samples.subarray(0, count).map((ns) => ns / 1000);
  return [
    figure("latency", "µs", "less", us),
    figure("longest", "µs", "less", [us.reduce((most, one) => Math.max(most, one), 0)]),
    figure("rate", "commands/s", "more", [count / (tookMs / 1000)]),
  ];
}

function attaching(stage: Stage): CommandPipeline {
  const { gpu, memory } = stage.guest;
  expectOk(gpu.createResource2d(1, Format.B8G8R8A8, 4096, 4096), "RESOURCE_CREATE_2D");
  const request = commands.attachBacking(1, scatteredPages(memory.allocate(attachedPages * pageBytes)));
  const pipeline = stage.pipeline({ depth: 2, requestBytes: request.byteLength });
  pipeline.requests[0]!.bytes.set(new Uint8Array(request.buffer));
  pipeline.requests[1]!.bytes.set(new Uint8Array(commands.detachBacking(1).buffer));
  return pipeline;
}
