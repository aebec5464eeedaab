// The demo's 3D show: a scene drawn by the device's renderer into two buffers in turn, each frame fenced and flipped.

import { Capset, ConfigSpace, Feature } from "../../src/transport/wire/virtio-gpu/protocol.ts";
import type { Submission } from "../driver/command-queue.ts";
import * as commands from "../driver/commands.ts";
import * as commands3d from "../driver/commands-3d.ts";
import { areaOf, type CapsetSummary, expectOk } from "../driver/gpu-driver.ts";
import { StillLife } from "../scenes/still-life.ts";
import { firstPicture, prepareStillLife, stillLifeIds } from "../scenes/still-life-guest.ts";
import type { SyntheticGuest } from "../driver/synthetic-guest.ts";
import * as virgl from "../driver/virgl/index.ts";
import { answered } from "./answers.ts";
import type { SceneReport } from "./scene-2d.ts";

const contextId = 1;
const buffers = [
  { resourceId: firstPicture, format: virgl.VirglFormat.B8G8R8X8_UNORM },
  { resourceId: firstPicture + 1, format: virgl.VirglFormat.B8G8R8X8_UNORM },
] as const;

/** The name of the GL driver behind the device. Throws an Error with a sentence for the user when there is none. */
export function rendererOf(guest: SyntheticGuest): string {
  if (!guest.has(Feature.VIRGL)) {
    throw new Error("the server does not offer VIRGL, which scene 3d needs; its log says what is missing");
  }
  const { maxVersion, maxSize } = capsetOf(guest, Capset.VIRGL2);
  return virgl.rendererName(guest.gpu.getCapset(Capset.VIRGL2, maxVersion, maxSize).capset);
}

/** As playScene of scene-2d.ts. */
export async function playScene3d(
  guest: SyntheticGuest,
  { width, height, seconds }: { width: number; height: number; seconds: number },
  stopped: () => boolean,
  progress: (frame: number) => void,
): Promise<SceneReport> {
  const { control } = guest;
  const scene = new StillLife(stillLifeIds, width, height);
  const stream = new virgl.CommandStream();
  prepareStillLife(guest, contextId, scene, buffers);

  const frameNs: number[] = [];
  let frame = 0;
  let before: { sent: Submission[]; from: number } | null = null;
  const finish = async (): Promise<void> => {
    if (before === null) return;
    for (const submission of before.sent) {
      const what = "a command of the scene";
      await answered(guest, stopped, (timeoutMs) => control.wait(submission, what, timeoutMs));
      expectOk(submission.result, what);
    }
    frameNs.push(Bun.nanoseconds() - before.from);
    progress(frame);
  };
  const start = performance.now();
  while (performance.now() - start < seconds * 1000 && !stopped()) {
    frame++;
    const { resourceId } = buffers[frame % 2]!;
    stream.reset();
    scene.draw(stream, frame, buffers[frame % 2]!);
    const from = Bun.nanoseconds();
    const header = { fenceId: BigInt(frame) };
    const sent = [
      control.submit(commands3d.submit3d(contextId, stream.bytes, header), { hold: true }),
      control.submit(commands.setScanout(0, resourceId, areaOf(scene)), { hold: true }),
      control.submit(commands.flushResource(resourceId, areaOf(scene))),
    ];
    // The frame before is done at the latest when the next one is to be drawn over it.
    await finish();
    before = { sent, from };
    // Signals are delivered only while the event loop turns.
    if (frame % 16 === 0) await Bun.sleep(0);
  }
  await finish();
  const elapsed = (performance.now() - start) / 1000;
  return { frames: frame, commands: frame * 3, seconds: elapsed, frameNs: Float64Array.from(frameNs) };
}

function capsetOf({ gpu, config }: SyntheticGuest, id: number): CapsetSummary {
  const count = new DataView(config.buffer as ArrayBuffer, config.byteOffset).getUint32(
    ConfigSpace.capsetCount,
    true,
  );
  for (let index = 0; index < count; index++) {
    const { capset } = gpu.getCapsetInfo(index);
    if (capset.id === id) return capset;
  }
  throw new Error(`the device has no capset ${id}`);
}
