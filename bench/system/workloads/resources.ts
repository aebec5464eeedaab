// The lives of 2D resources: made and freed, used once in between, and given memory in many pieces.

import type { CommandPipeline } from "../../../lab/driver/command-pipeline.ts";
import * as commands from "../../../lab/driver/commands.ts";
import { areaOf, expectOk } from "../../../lab/driver/gpu-driver.ts";
import { pageBytes } from "../../../lab/driver/guest-memory.ts";
import { Format } from "../../../src/transport/wire/virtio-gpu/protocol.ts";
import { figure } from "../figure.ts";
import { expectOkAnswers } from "../stage.ts";
import type { GuestWorkload } from "../workload.ts";
import { scatteredPages } from "./transfer.ts";

const size = { width: 64, height: 64 };
const format = Format.B8G8R8A8;

export const resources: GuestWorkload[] = [
  {
    kind: "guest",
    name: "resource/create",
    title: "RESOURCE_CREATE_2D of 64×64 and RESOURCE_UNREF, 32 pairs in flight",
    renderer: "software",
    pinned: true,
    measure(stage) {
      const pipeline = stage.pipeline({ depth: 64, requestBytes: 40 });
      fillInTurn(pipeline, (id) => [
        commands.createResource2d(id, format, size.width, size.height),
        commands.unrefResource(id),
      ]);
      const figures = stage.rate("pair", (count) => pipeline.run(count * 2), pipeline.depth / 2);
      expectOkAnswers(pipeline);
      return figures;
    },
  },
  {
    kind: "guest",
    name: "resource/life",
    title: "CREATE_2D of 64×64, ATTACH_BACKING, TRANSFER_TO_HOST_2D, DETACH_BACKING, UNREF, 12 in flight",
    renderer: "software",
    pinned: true,
    measure(stage) {
      const backing = stage.guest.memory.allocate(4 * pageBytes);
      const pipeline = stage.pipeline({ depth: 60, requestBytes: 56 });
      const life = fillInTurn(pipeline, (id) => [
        commands.createResource2d(id, format, size.width, size.height),
        commands.attachBacking(id, [backing]),
        commands.transferToHost2d(id, areaOf(size), 0),
        commands.detachBacking(id),
        commands.unrefResource(id),
      ]);
      const figures = stage.rate("lifetime", (count) => pipeline.run(count * life), pipeline.depth / life);
      expectOkAnswers(pipeline);
      return figures;
    },
  },
  attach(1, { width: 32, height: 32 }),
  attach(512, { width: 1024, height: 512 }),
  attach(16_384, { width: 4096, height: 4096 }),
];

/** A resource with one page an entry, in no order. */
function attach(entryCount: number, { width, height }: { width: number; height: number }): GuestWorkload {
  return {
    kind: "guest",
    name: `attach/${entryCount}`,
    title: `RESOURCE_ATTACH_BACKING of ${entryCount} entries, one at a time, with the DETACH_BACKING after it`,
    renderer: "software",
    pinned: true,
    measure(stage) {
      const { gpu, memory } = stage.guest;
      const resource = 1;
      expectOk(gpu.createResource2d(resource, format, width, height), "RESOURCE_CREATE_2D");
      const pages = scatteredPages(memory.allocate(entryCount * pageBytes));
      const request = commands.attachBacking(resource, pages);
      const attaching = stage.pipeline({ depth: 1, requestBytes: request.byteLength });
      attaching.fill(request);
      const detaching = stage.pipeline({ depth: 1, requestBytes: 32 });
      detaching.fill(commands.detachBacking(resource));
      const one = new Float64Array(1);
      const attachUs: number[] = [];
      const detachUs: number[] = [];
      const windows = stage.windows((count, measured) => {
        for (let index = 0; index < count; index++) {
          attaching.run(1, null, one);
          if (measured) attachUs.push(one[0]! / 1000);
          detaching.run(1, null, one);
          if (measured) detachUs.push(one[0]! / 1000);
        }
      });
      expectOkAnswers(attaching);
      expectOkAnswers(detaching);
      return [
        figure("attach", "µs", "less", attachUs),
        figure("detach", "µs", "less", detachUs),
        ...stage.cost("pair", windows),
      ];
    },
  };
}

/** Fills the slots with one sequence of requests a resource, which the device takes in order; returns its length. */
function fillInTurn(pipeline: CommandPipeline, sequence: (resourceId: number) => DataView[]): number {
  let slot = 0;
  let length = 0;
  for (let id = 1; slot < pipeline.depth; id++) {
    const requests = sequence(id);
    length = requests.length;
    for (const request of requests) pipeline.requests[slot++]!.bytes.set(new Uint8Array(request.buffer));
  }
  return length;
}
