// The lives of 2D resources: made and freed, used once in between, and given memory in many pieces.

import type { CommandPipeline } from "../../../lab/driver/command-pipeline.ts";
import * as commands from "../../../lab/driver/commands.ts";
import { areaOf, expectOk } from "../../../lab/driver/gpu-driver.ts";
import { type GuestMemory, type GuestRange, pageBytes } from "../../../lab/driver/guest-memory.ts";
import type { GuestOptions } from "../../../lab/driver/synthetic-guest.ts";
import { Format } from "../../../src/transport/wire/virtio-gpu/protocol.ts";
import { figure } from "../figure.ts";
import { recordedPages, recordedRegions } from "../pages/recorded.ts";
import { expectOkAnswers } from "../stage.ts";
import type { GuestWorkload } from "../workload.ts";
import { scatteredPages } from "./transfer.ts";

const size = { width: 64, height: 64 };
const format = Format.B8G8R8A8;
const large = { width: 4096, height: 4096 };
const largePages = 16_384;
const gibibyte = 2 ** 30;
/** As QEMU lays out 8 GiB. */
const wideRegions = [
  { guestAddress: 0, size: 2 * gibibyte },
  { guestAddress: 4 * gibibyte, size: 6 * gibibyte },
];
const recordedAttaches: [buffer: string, size: { width: number; height: number }][] = [
  ["fresh/cursor", { width: 64, height: 64 }],
  ["fresh/1280x800", { width: 1280, height: 800 }],
  ["fragmented/1080p", { width: 1920, height: 1080 }],
  ["fragmented/4096x4096", large],
  ["fragmented/3d-1", { width: 4096, height: 2700 }],
];

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
  attach("1", { title: "1 page", size: { width: 32, height: 32 }, entries: scattered(1) }),
  attach("512", {
    title: "512 pages in no order",
    size: { width: 1024, height: 512 },
    entries: scattered(512),
  }),
  attach("16384", { title: "16,384 pages in no order", size: large, entries: scattered(largePages) }),
  attach("alternating", {
    title: "16,384 pages, in turn of two regions and five GiB",
    size: large,
    entries: alternating,
    guest: { memory: wideRegions },
  }),
  ...recordedAttaches.map(([buffer, size]) => {
    const entries = recordedPages(buffer);
    const title = `${buffer.replace("/", " guest's ")}, ${entries.length.toLocaleString("en")} entries`;
    return attach(buffer, { title, size, entries: () => entries, guest: { memory: recordedRegions } });
  }),
];

interface Attach {
  title: string;
  size: { width: number; height: number };
  entries: (memory: GuestMemory) => GuestRange[];
  guest?: GuestOptions;
}

/** A resource's memory, given and taken again and again. */
function attach(name: string, { title, size, entries, guest }: Attach): GuestWorkload {
  return {
    kind: "guest",
    name: `attach/${name}`,
    title: `RESOURCE_ATTACH_BACKING of ${title}, one at a time, with the DETACH_BACKING after it`,
    renderer: "software",
    pinned: true,
    ...(guest === undefined ? {} : { guest }),
    measure(stage) {
      const { gpu, memory } = stage.guest;
      const resource = 1;
      expectOk(gpu.createResource2d(resource, format, size.width, size.height), "RESOURCE_CREATE_2D");
      const request = commands.attachBacking(resource, entries(memory));
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

/** Pages in no order, of one region and one GiB. */
function scattered(count: number): (memory: GuestMemory) => GuestRange[] {
  return (memory) => scatteredPages(memory.allocate(count * pageBytes));
}

/** Pages that go from one region and one GiB to another with every entry; nothing is in them. */
function alternating(): GuestRange[] {
  return Array.from({ length: largePages }, (_, index) => {
    const region = wideRegions[index % 2]!;
    const place = ((index * 769) % largePages) * pageBytes + (index % 3) * gibibyte;
    return { address: region.guestAddress + (place % region.size), length: pageBytes };
  });
}

/** Fills the slots with one sequence of requests a resource, which the device takes in order; returns its length. */
export function fillInTurn(pipeline: CommandPipeline, sequence: (resourceId: number) => DataView[]): number {
  let slot = 0;
  let length = 0;
  for (let id = 1; slot < pipeline.depth; id++) {
    const requests = sequence(id);
    length = requests.length;
    for (const request of requests) pipeline.requests[slot++]!.bytes.set(new Uint8Array(request.buffer));
  }
  return length;
}
