// TRANSFER_TO_HOST_2D of whole frames, from one range of guest memory and from scattered pages, beside a plain memcpy
// of the same bytes in the same process.

import * as commands from "../../../lab/driver/commands.ts";
import { areaOf, expectOk } from "../../../lab/driver/gpu-driver.ts";
import {
  type GuestBuffer,
  type GuestMemory,
  type GuestRange,
  pageBytes,
} from "../../../lab/driver/guest-memory.ts";
import { asPointer, libc } from "../../../src/ffi/libc.ts";
import { NativeMemory } from "../../../src/transport/os/native-memory.ts";
import { bytesPerPixel, Format } from "../../../src/transport/wire/virtio-gpu/protocol.ts";
import { figure } from "../figure.ts";
import { recordedPages, recordedRegions } from "../pages/recorded.ts";
import { expectOkAnswers } from "../stage.ts";
import type { Renderer } from "../backends.ts";
import type { GuestWorkload } from "../workload.ts";

export const sizes = {
  "1080p": { width: 1920, height: 1080 },
  "4k": { width: 3840, height: 2160 },
} as const;

/** What is recorded of a guest whose memory is in use, and its other sizes. */
const recordedBuffers = { "1080p": "fragmented/1080p", "4k": "fragmented/4k" } as const;
const shapes = {
  contiguous: "contiguous",
  scattered: "in scattered pages",
  recorded: "in the pages of a real guest's buffer",
} as const;
type Shape = keyof typeof shapes;

/** Two, so that the device has the next one when it is done with the first. */
const depth = 2;
const frame = 1;

export const transfers: GuestWorkload[] = (["software", "virgl"] as Renderer[]).flatMap((renderer) =>
  (["1080p", "4k"] as const).flatMap((size) =>
    (Object.keys(shapes) as Shape[]).map((shape) => transfer(renderer, size, shape)),
  ),
);

function transfer(renderer: Renderer, size: keyof typeof sizes, shape: Shape): GuestWorkload {
  const { width, height } = sizes[size];
  return {
    kind: "guest",
    name: `transfer/${renderer}/${size}/${shape}`,
    title: `TRANSFER_TO_HOST_2D, ${width}×${height}, ${shapes[shape]}`,
    renderer,
    pinned: true,
    ...(shape === "recorded" ? { guest: { memory: recordedRegions } } : {}),
    measure(stage) {
      const { gpu, memory } = stage.guest;
      const bytes = width * height * bytesPerPixel;
      const backing = memory.allocate(bytes);
      backing.bytes.fill(0x5a);
      const entries = entriesOf(shape, size, backing, memory);
      expectOk(gpu.createResource2d(frame, Format.B8G8R8X8, width, height), "RESOURCE_CREATE_2D");
      expectOk(gpu.attachBacking(frame, entries), "RESOURCE_ATTACH_BACKING");
      const request = commands.transferToHost2d(frame, areaOf({ width, height }), 0);
      const pipeline = stage.pipeline({ depth, requestBytes: request.byteLength });
      pipeline.fill(request);

      const transfers = stage.windows((count) => pipeline.run(count), depth);
      expectOkAnswers(pipeline);
      const target = NativeMemory.allocate(bytes);
      const source = asPointer(backing.region.userAddress + backing.address - backing.region.guestAddress);
      let copied = 0;
      let copyCpuUs = 0;
      const copies = stage.windows((count, measured) => {
        const before = process.cpuUsage();
        for (let index = 0; index < count; index++) libc.memcpy(asPointer(target.address), source, bytes);
        const { user, system } = process.cpuUsage(before);
        if (!measured) return;
        copied += count;
        copyCpuUs += user + system;
      });
      target.unmap();
      const speeds = (seconds: number[]) => seconds.map((one) => bytes / one / 1e9);
      return [
        figure("speed", "GB/s", "more", speeds(transfers.seconds)),
        figure("memcpy", "GB/s", "neither", speeds(copies.seconds)),
        ...stage.cost("transfer", transfers),
        // What a busy machine leaves comparable: processor time, of the same bytes.
        figure("memcpy CPU", "µs/transfer", "neither", [copyCpuUs / copied]),
      ];
    },
  };
}

function entriesOf(
  shape: Shape,
  size: keyof typeof sizes,
  backing: GuestBuffer,
  memory: GuestMemory,
): GuestRange[] {
  if (shape === "contiguous") return [backing];
  if (shape === "scattered") return scatteredPages(backing);
  const entries = recordedPages(recordedBuffers[size]);
  // The guest's own lie elsewhere; rings and requests lie below all of these.
  for (const { address, length } of entries) memory.bytesAt(address, length).fill(0x5a);
  return entries;
}

/** The buffer's pages in an order in which no two neighbours follow each other. */
export function scatteredPages(buffer: GuestBuffer): GuestRange[] {
  const pages = Math.ceil(buffer.length / pageBytes);
  let step = 769;
  while (pages % step === 0) step += 2;
  return Array.from({ length: pages }, (_, index) => {
    const page = (index * step) % pages;
    return {
      address: buffer.address + page * pageBytes,
      length: Math.min(pageBytes, buffer.length - page * pageBytes),
    };
  });
}
