// What Vulkan costs a guest beside its work: empty submits with a fence, which its context's process answers.

import { Capset, Feature } from "../../../src/transport/wire/virtio-gpu/protocol.ts";
import type { GuestWorkload } from "../workload.ts";
import { expectOk } from "../../../lab/driver/gpu-driver.ts";
import { expectOkAnswers, type Stage } from "../stage.ts";
import { context, fencedPipeline, nothing } from "./streams.ts";

/** The CPU's own timeline: what was given to the context's process before has been read. */
const header = { ringIndex: 0 } as const;
const common = {
  kind: "guest",
  renderer: "virgl",
  needsVulkan: true,
  guest: { gpuFeatures: [Feature.VIRGL, Feature.EDID, Feature.RESOURCE_BLOB, Feature.CONTEXT_INIT] },
} as const;

export const vulkan: GuestWorkload[] = [
  {
    ...common,
    name: "vulkan/empty/1",
    title: "Empty SUBMIT_3D of a Vulkan context, fenced on ring 0, one at a time",
    pinned: true,
    measure(stage) {
      openContext(stage);
      const pipeline = fencedPipeline(stage, 1, nothing, header);
      const figures = stage.latency("command", pipeline, pipeline.nextFence);
      expectOkAnswers(pipeline);
      return figures;
    },
  },
  {
    ...common,
    name: "vulkan/empty/16",
    title: "Empty SUBMIT_3D of a Vulkan context, fenced on ring 0, 16 in flight",
    pinned: true,
    measure(stage) {
      openContext(stage);
      const pipeline = fencedPipeline(stage, 16, nothing, header);
      const figures = stage.rate("command", (count) => pipeline.run(count, pipeline.nextFence));
      expectOkAnswers(pipeline);
      return figures;
    },
  },
];

function openContext({ guest }: Stage): void {
  if (!guest.has(Feature.CONTEXT_INIT)) throw new Error("the device does not offer CONTEXT_INIT");
  expectOk(guest.gpu.createContext(context, "bench", Capset.VENUS), "CTX_CREATE");
}
