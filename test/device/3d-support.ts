// What the 3D tests share: contexts, textures with backing, command streams, and comparisons with what was expected.

import { expect } from "bun:test";
import type { CommandResult } from "../../lab/driver/command-queue.ts";
import type { Box, Resource3d } from "../../lab/driver/commands-3d.ts";
import type { GuestBuffer, GuestRange } from "../../lab/driver/guest-memory.ts";
import type { SyntheticGuest } from "../../lab/driver/synthetic-guest.ts";
import * as virgl from "../../lab/driver/virgl/index.ts";
import { Feature } from "../../src/transport/wire/virtio-gpu/protocol.ts";
import { readShared } from "../support/gpu-reader.ts";
import { expectOk } from "./support.ts";

/** Arguments of a server that can render. The first frame of a fresh shader cache may take its time. */
export const virglServer = ["--renderer", "virgl"] as const;
export const patient = { patienceMs: 20_000, display: { readDmabuf: readShared } } as const;

/** What a picture must allow to be drawn, sampled, blitted and read back. */
export const pictureBind = virgl.Bind.RENDER_TARGET | virgl.Bind.SAMPLER_VIEW;
const { B8G8R8A8_UNORM } = virgl.VirglFormat;

/** A resource of four bytes a pixel, with contiguous backing for its first level. */
export interface Texture {
  resourceId: number;
  format: number;
  width: number;
  height: number;
  layers: number;
  backing: GuestBuffer;
  /** The backing, a word a pixel. */
  pixels: Uint32Array;
}

/** Makes context `id`; fails where VIRGL was not negotiated. */
export function makeContext(guest: SyntheticGuest, id = 1): number {
  expect(guest.has(Feature.VIRGL)).toBe(true);
  expectOk(guest.gpu.createContext(id, `test-${id}`));
  return id;
}

/** Makes a 2D picture, or what `extra` says, attached to `contexts`. */
export function makeTexture(
  guest: SyntheticGuest,
  resourceId: number,
  width: number,
  height: number,
  extra: Partial<Resource3d> = {},
  contexts: readonly number[] = [1],
): Texture {
  const description = {
    resourceId,
    target: virgl.Target.TEXTURE_2D,
    format: B8G8R8A8_UNORM,
    bind: pictureBind,
    width,
    height,
    ...extra,
  };
  expectOk(guest.gpu.createResource3d(description));
  for (const context of contexts) expectOk(guest.gpu.attachResource(context, resourceId));
  const layers = (extra.depth ?? 1) * (extra.arraySize ?? 1);
  const backing = guest.memory.allocate(width * height * layers * 4);
  expectOk(guest.gpu.attachBacking(resourceId, [backing]));
  return { resourceId, format: description.format, width, height, layers, backing, pixels: backing.words };
}

/** Makes a buffer with `content`, attached to `contexts`. */
export function makeBuffer(
  guest: SyntheticGuest,
  resourceId: number,
  bind: number,
  content: Uint8Array,
  contexts: readonly number[] = [1],
): GuestBuffer {
  const { BUFFER } = virgl.Target;
  const format = virgl.VirglFormat.R8_UNORM;
  expectOk(guest.gpu.createResource3d({ resourceId, target: BUFFER, format, bind, width: content.length }));
  for (const context of contexts) expectOk(guest.gpu.attachResource(context, resourceId));
  const backing = guest.memory.allocate(content.length);
  backing.bytes.set(content);
  expectOk(guest.gpu.attachBacking(resourceId, [backing]));
  expectOk(guest.gpu.transferToHost3d(0, resourceId, { box: rangeBox(0, content.length) }));
  return backing;
}

/** All of a picture's first level. */
export const boxOf = ({ width, height, layers }: Pick<Texture, "width" | "height" | "layers">): Box => ({
  x: 0,
  y: 0,
  z: 0,
  width,
  height,
  depth: layers,
});

/** A rectangle of a picture's layer `z`. */
export const rectangleBox = (x: number, y: number, width: number, height: number, z = 0): Box => ({
  x,
  y,
  z,
  width,
  height,
  depth: 1,
});

/** Bytes of a buffer. */
export const rangeBox = (x: number, width: number): Box => ({ x, y: 0, z: 0, width, height: 1, depth: 1 });

/** Brings `pixels` into the renderer. */
export function upload(guest: SyntheticGuest, texture: Texture, pixels: ArrayLike<number>): void {
  texture.pixels.set(pixels);
  expectOk(guest.gpu.transferToHost3d(0, texture.resourceId, { box: boxOf(texture) }));
}

/** What the renderer has of a picture's first level. */
export function download(guest: SyntheticGuest, texture: Texture): Uint32Array {
  texture.pixels.fill(0xdead_beef);
  expectOk(guest.gpu.transferFromHost3d(0, texture.resourceId, { box: boxOf(texture) }));
  return texture.pixels.slice();
}

/** Runs what `write` puts into a stream. */
export function run(
  guest: SyntheticGuest,
  write: (stream: virgl.CommandStream) => void,
  context = 1,
): CommandResult {
  const stream = new virgl.CommandStream();
  write(stream);
  return guest.gpu.submit3d(context, stream.bytes);
}

/** As {@link run}, and fails when the stream is refused. */
export function draw(guest: SyntheticGuest, write: (stream: virgl.CommandStream) => void, context = 1): void {
  expectOk(run(guest, write, context));
}

/** Clears a picture to red, green, blue, alpha of 0 to 255 each. */
export function clearTo(
  stream: virgl.CommandStream,
  texture: Pick<Texture, "resourceId" | "format">,
  [red, green, blue, alpha]: readonly [number, number, number, number],
  surface = 100,
): void {
  virgl.createSurface(stream, surface, texture);
  virgl.setFramebufferState(stream, [surface]);
  virgl.clear(stream, virgl.ClearBuffers.COLOR0, [red / 255, green / 255, blue / 255, alpha / 255]);
  virgl.destroyObject(stream, virgl.ObjectType.SURFACE, surface);
}

/** The word of a B8G8R8A8 pixel. */
export const bgra = (red: number, green: number, blue: number, alpha = 255): number =>
  ((alpha << 24) | (red << 16) | (green << 8) | blue) >>> 0;

/** A picture in which every pixel tells where it is, alpha included. */
export function gradient(width: number, height: number, seed = 0): Uint32Array<ArrayBuffer> {
  return Uint32Array.from({ length: width * height }, (_, at) => {
    const [x, y] = [at % width, Math.floor(at / width)];
    return bgra(
      (x * 5 + seed * 29) & 255,
      (y * 7 + seed * 13) & 255,
      (x ^ y ^ seed) & 255,
      (255 - x * 3 - y) & 255,
    );
  });
}

/** Fails at the first pixel of which a byte differs by more than `tolerance`. Pixels of `undefined` are not looked at. */
export function expectPixels(
  actual: ArrayLike<number>,
  width: number,
  expected: (x: number, y: number) => number | undefined,
  tolerance = 0,
): void {
  const hex = (value: number) => (value >>> 0).toString(16).padStart(8, "0");
  for (let at = 0; at < actual.length; at++) {
    const [x, y] = [at % width, Math.floor(at / width)];
    const wanted = expected(x, y);
    if (wanted === undefined) continue;
    let off = 0;
    for (const shift of [0, 8, 16, 24]) {
      off = Math.max(off, Math.abs(((actual[at]! >>> shift) & 255) - ((wanted >>> shift) & 255)));
    }
    if (off > tolerance) expect(`${x},${y} = ${hex(actual[at]!)}`).toBe(`${x},${y} = ${hex(wanted)}`);
  }
}

/** Cuts backing for `bytes` bytes into pieces of `piece` bytes, in an order of addresses that is not that of the content. */
export function scattered(guest: SyntheticGuest, bytes: number, piece: number): GuestRange[] {
  const pieces = Array.from({ length: Math.ceil(bytes / piece) }, (_, at) => ({
    ...{ address: guest.memory.allocate(piece + 64, 64).address + (at % 3) },
    length: Math.min(piece, bytes - at * piece),
  }));
  // Each piece keeps its length; only places are swapped.
  const places = pieces.map(({ address }) => address).toReversed();
  return pieces.map(({ length }, at) => ({ address: places[at]!, length }));
}
