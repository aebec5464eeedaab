// The demo's show: a scene with damage and a hardware pointer, then a burst of the smallest commands.

import { bytesPerPixel, cursorSize, Format, Header } from "../../src/transport/wire/virtio-gpu/protocol.ts";
import { CommandPipeline } from "../driver/command-pipeline.ts";
import type { Submission } from "../driver/command-queue.ts";
import * as commands from "../driver/commands.ts";
import { areaOf, expectOk } from "../driver/gpu-driver.ts";
import { arrowHotSpot, drawArrow } from "../scenes/arrow.ts";
import { Landscape } from "../scenes/landscape.ts";
import type { SyntheticGuest } from "../driver/synthetic-guest.ts";
import { answered } from "./answers.ts";

const screenId = 1;
const pointerId = 2;

export interface SceneReport {
  frames: number;
  commands: number;
  seconds: number;
  /** From the first command of a frame to the answer to its last, in nanoseconds. */
  frameNs: Float64Array;
}

/** Draws frames for `seconds`, or until `stopped` says so; `progress` hears of each frame. */
export async function playScene(
  guest: SyntheticGuest,
  { width, height, seconds }: { width: number; height: number; seconds: number },
  stopped: () => boolean,
  progress: (frame: number) => void,
): Promise<SceneReport> {
  const { gpu } = guest;
  const screen = gpu.createImage(screenId, Format.B8G8R8X8, width, height);
  const pointer = gpu.createImage(pointerId, Format.B8G8R8A8, cursorSize, cursorSize);
  drawArrow(pointer.pixels);
  expectOk(gpu.transferToHost2d(pointerId, areaOf(pointer)), "TRANSFER_TO_HOST_2D");
  const scene = new Landscape(screen.pixels, width, height);
  scene.draw(0);
  gpu.show(0, screen);
  // Other back-ends leave cursor commands without an answer, so none is asked for.
  gpu.updateCursor({ scanoutId: 0, ...scene.pointerAt(0) }, pointerId, arrowHotSpot.x, arrowHotSpot.y);

  const frameNs: number[] = [];
  let count = 0;
  let frame = 0;
  const start = performance.now();
  while (performance.now() - start < seconds * 1000 && !stopped()) {
    frame++;
    const damage = scene.draw(frame);
    const from = Bun.nanoseconds();
    const sent: Submission[] = damage.map((rectangle) => {
      const offset = (rectangle.y * width + rectangle.x) * bytesPerPixel;
      return gpu.control.submit(commands.transferToHost2d(screenId, rectangle, offset), { hold: true });
    });
    damage.forEach((rectangle, index) => {
      const header = index === damage.length - 1 ? { fenceId: BigInt(frame) } : {};
      sent.push(gpu.control.submit(commands.flushResource(screenId, rectangle, header), { hold: true }));
    });
    gpu.control.commit();
    const moved = gpu.cursor.submit(
      commands.moveCursor({ scanoutId: 0, ...scene.pointerAt(frame) }, pointerId),
    );
    await answered(guest, stopped, (timeoutMs) => gpu.control.waitAll(timeoutMs));
    frameNs.push(Bun.nanoseconds() - from);
    await answered(guest, stopped, (timeoutMs) => gpu.cursor.wait(moved, "MOVE_CURSOR", timeoutMs));
    for (const submission of sent) expectOk(submission.result, "a command of the scene");
    count += sent.length + 1;
    progress(frame);
    // Signals are delivered only while the event loop turns.
    if (frame % 16 === 0) await Bun.sleep(0);
  }
  const elapsed = (performance.now() - start) / 1000;
  return { frames: frame, commands: count, seconds: elapsed, frameNs: Float64Array.from(frameNs) };
}

/** Sends `count` of the smallest valid commands, `depth` at a time; answers each one's latency in nanoseconds. */
export function sendSmallest(guest: SyntheticGuest, depth: number, count: number): Float64Array {
  // A flush of what no scanout shows: checked, and answered, and nothing else.
  const request = commands.flushResource(pointerId, { x: 0, y: 0, width: 1, height: 1 });
  const pipeline = new CommandPipeline(guest.control.ring, guest.memory, guest.pump, {
    depth,
    requestBytes: request.byteLength,
    responseBytes: Header.bytes,
  });
  pipeline.fill(request);
  const samples = new Float64Array(count);
  pipeline.run(count, null, samples);
  pipeline.release();
  return samples;
}
