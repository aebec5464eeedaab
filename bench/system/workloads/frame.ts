// What a frame costs the guest that drew it in the CPU: one flush where it lies in a blob of its own pages, a transfer and a
// flush where it does not. The display has stopped, so that what is measured is the ctrl queue alone.

import * as commands from "../../../lab/driver/commands.ts";
import { areaOf, expectOk } from "../../../lab/driver/gpu-driver.ts";
import {
  BlobFlag,
  BlobMem,
  bytesPerPixel,
  Feature,
  Format,
} from "../../../src/transport/wire/virtio-gpu/protocol.ts";
import { figure } from "../figure.ts";
import { expectOkAnswers, type Stage } from "../stage.ts";
import type { GuestWorkload } from "../workload.ts";
import { sizes } from "./transfer.ts";

type Size = keyof typeof sizes;

const screen = 1;
const patienceMs = 5_000;
/** The driver's next commands are there when the device is done with these. */
const depth = 4;

export const frames: GuestWorkload[] = (["1080p", "4k"] as const).flatMap((size) =>
  (["blob", "transfer"] as const).map((way) => {
    const { width, height } = sizes[size];
    const what =
      way === "blob" ? "RESOURCE_FLUSH of a guest's blob" : "TRANSFER_TO_HOST_2D and RESOURCE_FLUSH";
    return {
      kind: "guest",
      name: `frame/${size}/${way}`,
      title: `${what}, ${width}×${height}, to a display that does not read`,
      renderer: "software",
      pinned: true,
      guest: { gpuFeatures: [Feature.EDID, Feature.RESOURCE_BLOB] },
      measure: (stage) => (way === "blob" ? measureBlob(stage, size) : measureTransfer(stage, size)),
    };
  }),
);

function measureBlob(stage: Stage, size: Size) {
  const { gpu, memory } = stage.guest;
  if (!stage.guest.has(Feature.RESOURCE_BLOB)) throw new Error("the device has no blobs");
  const { width, height } = sizes[size];
  const stride = width * bytesPerPixel;
  const pages = memory.allocate(stride * height);
  const blob = { resourceId: screen, mem: BlobMem.GUEST, flags: BlobFlag.SHAREABLE, size: pages.length };
  expectOk(gpu.createBlob(blob, [pages]), "RESOURCE_CREATE_BLOB");
  const layout = { format: Format.B8G8R8X8, width, height, strides: [stride] };
  expectOk(gpu.setScanoutBlob(0, screen, areaOf({ width, height }), layout), "SET_SCANOUT_BLOB");
  return measure(stage, size, [commands.flushResource(screen, areaOf({ width, height }))]);
}

function measureTransfer(stage: Stage, size: Size) {
  const { gpu } = stage.guest;
  const { width, height } = sizes[size];
  const area = areaOf({ width, height });
  const image = gpu.createImage(screen, Format.B8G8R8X8, width, height);
  gpu.show(0, image);
  return measure(stage, size, [
    commands.transferToHost2d(screen, area, 0),
    commands.flushResource(screen, area),
  ]);
}

/** `frame`: the requests of one. */
function measure(stage: Stage, size: Size, frame: readonly DataView[]) {
  const { width, height } = sizes[size];
  const bytes = width * height * bytesPerPixel;
  if (!stage.display.waitUntil(() => stage.display.pixelBytes >= bytes, patienceMs)) {
    throw new Error("the display does not get the first frame");
  }
  stage.display.stall();
  const pipeline = stage.pipeline({
    depth,
    requestBytes: Math.max(...frame.map(({ byteLength }) => byteLength)),
  });
  pipeline.requests.forEach(({ bytes: request }, slot) =>
    request.set(new Uint8Array(frame[slot % frame.length]!.buffer as ArrayBuffer)),
  );
  const windows = stage.windows((count) => pipeline.run(count), depth);
  expectOkAnswers(pipeline);
  return [
    figure(
      "time",
      "µs/frame",
      "less",
      windows.seconds.map((one) => one * frame.length * 1e6),
    ),
    ...stage.cost("command", windows),
  ];
}
