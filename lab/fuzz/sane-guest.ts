// A guest without a fault: what a server must still be good for, whoever was there before.

import { areaOf } from "../driver/gpu-driver.ts";
import { SyntheticGuest } from "../driver/synthetic-guest.ts";
import * as virgl from "../driver/virgl/index.ts";
import { DeviceTimeout } from "../driver/pump.ts";
import type { CommandResult } from "../driver/command-queue.ts";
import { responseName } from "../../src/transport/wire/virtio-gpu/decode.ts";
import { Feature, Format, Header, Response } from "../../src/transport/wire/virtio-gpu/protocol.ts";
import { patienceMs } from "./target.ts";

/** A server that has served before listens, unless it has ended. */
const connectMs = 200;
const size = { width: 61, height: 47 };
const corner = { x: 5, y: 9, width: 31, height: 17 };
const pictureId = 1;
const textureId = 2;
const contextId = 1;

/** Sets up a picture, changes a part of it, and moves a pointer. Returns what was wrong, or null. */
export function tryGuest(socketPath: string, seed: number): string | null {
  let guest: SyntheticGuest;
  try {
    guest = SyntheticGuest.boot(socketPath, { patienceMs, connectMs });
  } catch (error) {
    // Whatever it is: a server that is well takes a guest.
    return `no guest can start: ${(error as Error).message}`;
  }
  try {
    return use(guest, seed);
  } catch (error) {
    // Whatever it is, the server has not answered as it must.
    return (error as Error).message;
  } finally {
    guest.close();
  }
}

function use(guest: SyntheticGuest, seed: number): string | null {
  const { gpu } = guest;
  const image = gpu.createImage(pictureId, Format.B8G8R8X8, size.width, size.height);
  fill(image.pixels, seed);
  gpu.show(0, image);
  // What is changed and not transferred must not be seen.
  const expected = image.pixels.slice();
  fill(image.pixels, seed + 1);
  for (let y = corner.y; y < corner.y + corner.height; y++) {
    const from = y * size.width + corner.x;
    expected.set(image.pixels.subarray(from, from + corner.width), from);
  }
  gpu.present(image, corner);
  const wrong =
    compare(guest, expected) ??
    answered(gpu.moveCursor({ scanoutId: 0, x: 1, y: 1 }), "MOVE_CURSOR") ??
    (guest.has(Feature.VIRGL) ? clearTexture(guest, seed) : null) ??
    answered(gpu.unrefResource(pictureId), "RESOURCE_UNREF");
  return wrong ?? guest.display!.violations[0] ?? null;
}

function fill(pixels: Uint32Array, seed: number): void {
  for (let at = 0; at < pixels.length; at++) pixels[at] = Math.imul(at + 1, 0x9e37_79b1 + 2 * seed);
}

/** Waits until the display shows `expected`; returns the first pixel that stays another. */
function compare({ display, pump }: SyntheticGuest, expected: Uint32Array): string | null {
  const difference = (): number => firstDifference(display!.framebuffer(0)?.pixels ?? null, expected);
  try {
    pump.until(() => difference() === expected.length, "the picture");
    return null;
  } catch (error) {
    if (!(error instanceof DeviceTimeout)) throw error;
    const at = difference();
    return `the picture is wrong at ${at % size.width},${Math.floor(at / size.width)}`;
  }
}

/** Where the first pixel is that `shown` has wrong; as many as there are, where none is. */
export function firstDifference(shown: ArrayLike<number> | null, expected: Uint32Array): number {
  if (shown === null || shown.length !== expected.length) return 0;
  const at = expected.findIndex((pixel, index) => ((pixel ^ shown[index]!) & 0xff_ffff) !== 0);
  return at < 0 ? expected.length : at;
}

const answered = ({ type, length }: CommandResult, name: string): string | null =>
  type === Response.OK_NODATA && length === Header.bytes
    ? null
    : `${name} was answered ${responseName(type)} in ${length} bytes`;

/** A context clears a texture, and reads it back. */
function clearTexture({ gpu, memory }: SyntheticGuest, seed: number): string | null {
  const format = virgl.VirglFormat.B8G8R8A8_UNORM;
  const level = (shift: number): number => ((seed >>> shift) & 1) * 255;
  const [red, green, blue] = [level(0), level(1), level(2)];
  const backing = memory.allocate(size.width * size.height * 4);
  const stream = new virgl.CommandStream();
  virgl.createSurface(stream, 1, { resourceId: textureId, format });
  virgl.setFramebufferState(stream, [1]);
  virgl.clear(stream, virgl.ClearBuffers.COLOR0, [red / 255, green / 255, blue / 255, 1]);
  const bind = virgl.Bind.RENDER_TARGET | virgl.Bind.SAMPLER_VIEW;
  const target = virgl.Target.TEXTURE_2D;
  const box = { ...areaOf(size), z: 0, depth: 1 };
  const steps: [name: string, result: () => CommandResult][] = [
    ["CTX_CREATE", () => gpu.createContext(contextId, "sane")],
    [
      "RESOURCE_CREATE_3D",
      () => gpu.createResource3d({ resourceId: textureId, target, format, bind, ...size }),
    ],
    ["RESOURCE_ATTACH_BACKING", () => gpu.attachBacking(textureId, [backing])],
    ["CTX_ATTACH_RESOURCE", () => gpu.attachResource(contextId, textureId)],
    ["SUBMIT_3D", () => gpu.submit3d(contextId, stream.bytes)],
    [
      "TRANSFER_FROM_HOST_3D",
      () => gpu.transferFromHost3d(contextId, textureId, { box, stride: size.width * 4 }),
    ],
  ];
  for (const [name, step] of steps) {
    const wrong = answered(step(), name);
    if (wrong !== null) return wrong;
  }
  const colour = ((0xff << 24) | (red << 16) | (green << 8) | blue) >>> 0;
  const at = backing.words.findIndex((pixel) => pixel !== colour);
  return at < 0 ? null : `pixel ${at} of a cleared texture is ${backing.words[at]!.toString(16)}`;
}
