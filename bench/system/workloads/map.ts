// How many blobs of the host a second a guest can have mapped and unmapped again: each waits for the VMM's answer, which is the
// driver's own process here, and does an mmap.

import {
  Capset,
  BlobFlag,
  BlobMem,
  Feature,
  Response,
} from "../../../src/transport/wire/virtio-gpu/protocol.ts";
import { mapBlob, unmapBlob } from "../../../lab/driver/commands-blob.ts";
import { expectOk } from "../../../lab/driver/gpu-driver.ts";
import { frontEnds } from "../../../src/transport/wire/front-ends.ts";
import type { Stage } from "../stage.ts";
import type { GuestWorkload } from "../workload.ts";

const page = 4096;

export const maps: GuestWorkload[] = [
  { name: "one", count: 1, title: "one after the other" },
  { name: "many", count: 32, title: "32 at once" },
].map(({ name, count, title }) => ({
  kind: "guest",
  name: `map/${name}`,
  title: `RESOURCE_MAP_BLOB and RESOURCE_UNMAP_BLOB of a page of venus's, ${title}`,
  renderer: "virgl",
  needsVulkan: true,
  pinned: false,
  guest: {
    sharedMemoryBit: frontEnds.current.sharedMemoryBit,
    gpuFeatures: [Feature.EDID, Feature.VIRGL, Feature.CONTEXT_INIT, Feature.RESOURCE_BLOB],
  },
  measure: (stage) => measure(stage, count),
}));

/** `blobs`: whose maps, and then unmaps, are under way together. */
function measure(stage: Stage, blobs: number) {
  const { gpu, control, frontend } = stage.guest;
  if (frontend.window === null) throw new Error("the device has no host-visible memory");
  expectOk(gpu.createContext(1, "bench", Capset.VENUS), "CTX_CREATE");
  const ids = Array.from({ length: blobs }, (_, index) => index + 1);
  for (const resourceId of ids) {
    const blob = { resourceId, mem: BlobMem.HOST3D, flags: BlobFlag.MAPPABLE, size: page };
    expectOk(gpu.createBlob(blob, [], { contextId: 1 }), "RESOURCE_CREATE_BLOB");
  }
  const requests = ids.map((id) => ({ map: mapBlob(id, id * page), unmap: unmapBlob(id) }));
  const all = (which: "map" | "unmap", expected: number): void => {
    const sent = requests.map((one) => control.submit(one[which]));
    control.waitAll();
    for (const { result } of sent)
      if (result.type !== expected) throw new Error(`${which} was answered 0x${result.type.toString(16)}`);
  };
  return stage.rate(
    "map",
    (count) => {
      for (let done = 0; done < count; done += blobs) {
        all("map", Response.OK_MAP_INFO);
        all("unmap", Response.OK_NODATA);
      }
    },
    blobs,
  );
}
