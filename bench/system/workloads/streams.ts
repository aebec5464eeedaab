// SUBMIT_3D: nothing at all with a fence, small streams of state, and small pictures.

import type { HeaderFields } from "../../../lab/driver/commands.ts";
import * as commands3d from "../../../lab/driver/commands-3d.ts";
import { expectOk } from "../../../lab/driver/gpu-driver.ts";
import * as virgl from "../../../lab/driver/virgl/index.ts";
import { Feature, Header } from "../../../src/transport/wire/virtio-gpu/protocol.ts";
import { StillLife } from "../../../lab/scenes/still-life.ts";
import { firstPicture, prepareStillLife, stillLifeIds } from "../../../lab/scenes/still-life-guest.ts";
import type { CommandPipeline } from "../../../lab/driver/command-pipeline.ts";
import { expectOkAnswers, type Stage } from "../stage.ts";
import type { GuestWorkload } from "../workload.ts";

export const context = 1;
const target = 10;
const surface = 1;
const format = virgl.VirglFormat.B8G8R8X8_UNORM;
export const nothing = new Uint8Array(0);

interface Size {
  width: number;
  height: number;
}

export const streams: GuestWorkload[] = [
  {
    kind: "guest",
    name: "submit/empty/1",
    title: "Empty fenced SUBMIT_3D, one at a time",
    renderer: "virgl",
    pinned: true,
    measure(stage) {
      openContext(stage);
      const pipeline = fencedPipeline(stage, 1, nothing);
      const figures = stage.latency("command", pipeline, pipeline.nextFence);
      expectOkAnswers(pipeline);
      return figures;
    },
  },
  {
    kind: "guest",
    name: "submit/empty/16",
    title: "Empty fenced SUBMIT_3D, 16 in flight",
    renderer: "virgl",
    pinned: true,
    measure(stage) {
      openContext(stage);
      const pipeline = fencedPipeline(stage, 16, nothing);
      const figures = stage.rate("command", (count) => pipeline.run(count, pipeline.nextFence));
      expectOkAnswers(pipeline);
      return figures;
    },
  },
  {
    kind: "guest",
    name: "submit/fenced/1",
    title: "Fenced SUBMIT_3D that clears 64×64, one at a time",
    renderer: "virgl",
    pinned: true,
    measure(stage) {
      const stream = clearStream(openScene(stage, { width: 64, height: 64 }));
      const pipeline = fencedPipeline(stage, 1, stream);
      const figures = stage.latency("command", pipeline, pipeline.nextFence);
      expectOkAnswers(pipeline);
      return figures;
    },
  },
  {
    kind: "guest",
    name: "submit/fenced/16",
    title: "Fenced SUBMIT_3D that clears 64×64, 16 in flight",
    renderer: "virgl",
    pinned: true,
    measure(stage) {
      const stream = clearStream(openScene(stage, { width: 64, height: 64 }));
      const pipeline = fencedPipeline(stage, 16, stream);
      const figures = stage.rate("command", (count) => pipeline.run(count, pipeline.nextFence));
      expectOkAnswers(pipeline);
      return figures;
    },
  },
  {
    kind: "guest",
    name: "submit/state/64",
    title: "SUBMIT_3D of viewport, scissor and 16 constants, 64 in flight",
    renderer: "virgl",
    pinned: true,
    measure(stage) {
      openContext(stage);
      return rateOf(stage, submitRequest(stateStream()));
    },
  },
  {
    kind: "guest",
    name: "submit/clear/64",
    title: "SUBMIT_3D that clears 64×64, 64 in flight",
    renderer: "virgl",
    pinned: true,
    measure: (stage) =>
      rateOf(stage, submitRequest(clearStream(openScene(stage, { width: 64, height: 64 })))),
  },
];

/** A context that draws to a picture of `size`; returns the stream that it begins each frame with. */
export function openScene(stage: Stage, size: Size): virgl.CommandStream {
  openContext(stage);
  const { gpu } = stage.guest;
  const picture = {
    resourceId: target,
    target: virgl.Target.TEXTURE_2D,
    format,
    bind: virgl.Bind.RENDER_TARGET,
  };
  expectOk(gpu.createResource3d({ ...picture, ...size }), "RESOURCE_CREATE_3D");
  expectOk(gpu.attachResource(context, target), "CTX_ATTACH_RESOURCE");
  const stream = new virgl.CommandStream();
  virgl.createSurface(stream, surface, { resourceId: target, format });
  virgl.setFramebufferState(stream, [surface]);
  expectOk(gpu.submit3d(context, stream.bytes), "SUBMIT_3D");
  return stream.reset();
}

/** A frame of a scene as a stream: about as long as one of kmscube, on a picture that is soon drawn. */
export function stillLifeStream({ guest }: Stage): Uint8Array {
  const scene = new StillLife(stillLifeIds, 64, 64);
  const picture = { resourceId: firstPicture, format };
  prepareStillLife(guest, context, scene, [picture]);
  const stream = new virgl.CommandStream();
  scene.draw(stream, 1, picture);
  return stream.bytes;
}

export function clearStream(stream: virgl.CommandStream): Uint8Array {
  virgl.clear(stream, virgl.ClearBuffers.COLOR0, [0.2, 0.4, 0.6, 1]);
  return stream.bytes;
}

/** `fenceId` 0: without a fence. */
export function submitRequest(stream: Uint8Array, fenceId = 0, header: HeaderFields = {}): DataView {
  return commands3d.submit3d(
    context,
    stream,
    fenceId === 0 ? header : { ...header, fenceId: BigInt(fenceId) },
  );
}

function openContext({ guest }: Stage): void {
  if (!guest.has(Feature.VIRGL)) throw new Error("the device does not offer VIRGL");
  expectOk(guest.gpu.createContext(context, "bench"), "CTX_CREATE");
}

function stateStream(): Uint8Array {
  const stream = new virgl.CommandStream();
  const area = { x: 0, y: 0, width: 64, height: 64 };
  virgl.setViewport(stream, area);
  virgl.setScissor(stream, area);
  virgl.setConstantBuffer(stream, virgl.ShaderType.VERTEX, new Float32Array(16).fill(1));
  return stream.bytes;
}

function rateOf(stage: Stage, request: DataView) {
  const pipeline = stage.pipeline({ depth: 64, requestBytes: request.byteLength });
  pipeline.fill(request);
  const figures = stage.rate("command", (count) => pipeline.run(count), pipeline.depth);
  expectOkAnswers(pipeline);
  return figures;
}

/** `nextFence` gives a slot's request the next fence id: they must rise. */
export function fencedPipeline(
  stage: Stage,
  depth: number,
  stream: Uint8Array,
  header: HeaderFields = {},
): CommandPipeline & { nextFence: (slot: number) => void } {
  const request = submitRequest(stream, 1, header);
  const pipeline = stage.pipeline({ depth, requestBytes: request.byteLength });
  pipeline.fill(request);
  const words = pipeline.requests.map((buffer) => buffer.words);
  let fenceId = 0;
  return Object.assign(pipeline, {
    nextFence: (slot: number): void => {
      words[slot]![Header.fenceId / 4] = ++fenceId;
    },
  });
}
