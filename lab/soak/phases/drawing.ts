// What guests draw in 3D: a context's clears, copies and uploads, read back to the pixel, and shown.

import { areaOf } from "../../driver/gpu-driver.ts";
import * as virgl from "../../driver/virgl/index.ts";
import type { Phase } from "../phase.ts";
import { scribble, type Stage, Wrong } from "../stage.ts";

const size = { width: 96, height: 64 };
const bytes = size.width * size.height * 4;
const box = { ...areaOf(size), z: 0, depth: 1 };
const { B8G8R8A8_UNORM } = virgl.VirglFormat;
const { RENDER_TARGET, SAMPLER_VIEW } = virgl.Bind;

/** A context with two textures; ids that no other has. */
export class Studio {
  readonly context: number;
  readonly textures: readonly [number, number];

  constructor(private readonly stage: Stage) {
    const { gpu } = stage.guest;
    this.context = stage.unused;
    this.textures = [stage.unused, stage.unused];
    stage.ok(gpu.createContext(this.context, `soak-${this.context}`), "CTX_CREATE");
    for (const [index, resourceId] of this.textures.entries()) {
      const description = {
        resourceId,
        target: virgl.Target.TEXTURE_2D,
        format: B8G8R8A8_UNORM,
        bind: RENDER_TARGET | SAMPLER_VIEW,
        ...size,
      };
      stage.ok(gpu.createResource3d(description), "RESOURCE_CREATE_3D");
      stage.ok(gpu.attachBacking(resourceId, [this.backing(index)]), "RESOURCE_ATTACH_BACKING");
      stage.ok(gpu.attachResource(this.context, resourceId), "CTX_ATTACH_RESOURCE");
    }
  }

  /** Clears the first texture to a colour of 24 bits, opaque. */
  clear(colour: number): void {
    const channel = (shift: number): number => ((colour >>> shift) & 255) / 255;
    this.submit((stream) => {
      virgl.createSurface(stream, 1, { resourceId: this.textures[0], format: B8G8R8A8_UNORM });
      virgl.setFramebufferState(stream, [1]);
      virgl.clear(stream, virgl.ClearBuffers.COLOR0, [channel(16), channel(8), channel(0), 1]);
      virgl.destroyObject(stream, virgl.ObjectType.SURFACE, 1);
    });
  }

  /** Brings pixels by chance into the first texture; returns them. */
  upload(): Uint32Array {
    const { words } = this.backing(0);
    scribble(words, this.stage.chance);
    const { gpu } = this.stage.guest;
    this.stage.ok(gpu.transferToHost3d(this.context, this.textures[0], { box }), "TRANSFER_TO_HOST_3D");
    return words.slice();
  }

  /** Copies the first texture to the second. */
  copy(): void {
    const [from, resourceId] = this.textures;
    this.submit((stream) => virgl.resourceCopyRegion(stream, { resourceId }, { resourceId: from, box }));
  }

  /** Reads a texture back, and holds it against what it must be. */
  expect(index: 0 | 1, expected: Uint32Array): void {
    const { words } = this.backing(index);
    words.fill(0xdead_beef);
    const { gpu } = this.stage.guest;
    const transfer = gpu.transferFromHost3d(this.context, this.textures[index], { box });
    this.stage.ok(transfer, "TRANSFER_FROM_HOST_3D");
    const at = expected.findIndex((pixel, place) => pixel !== words[place]);
    if (at >= 0)
      throw new Wrong(
        `a texture's pixel ${at} is ${words[at]!.toString(16)} and not ${expected[at]!.toString(16)}`,
      );
    this.stage.frames++;
  }

  show(index: 0 | 1, expected: Uint32Array): void {
    const { gpu } = this.stage.guest;
    this.stage.ok(gpu.setScanout(0, this.textures[index], areaOf(size)), "SET_SCANOUT of a texture");
    this.stage.ok(gpu.flushResource(this.textures[index], areaOf(size)), "RESOURCE_FLUSH of a texture");
    this.stage.expectShown(expected, size.width, "a texture");
    this.stage.showScreen();
  }

  leave(): void {
    const { gpu } = this.stage.guest;
    this.stage.ok(gpu.destroyContext(this.context), "CTX_DESTROY");
    for (const id of this.textures) this.stage.ok(gpu.unrefResource(id), "RESOURCE_UNREF of a texture");
  }

  private submit(write: (stream: virgl.CommandStream) => void): void {
    const stream = new virgl.CommandStream();
    write(stream);
    const fenceId = BigInt(this.stage.unused);
    this.stage.ok(this.stage.guest.gpu.submit3d(this.context, stream.bytes, { fenceId }), "SUBMIT_3D");
  }

  private backing(index: number) {
    return this.stage.buffer(`texture ${index}`, bytes);
  }
}

export const drawing: Phase = {
  name: "drawing",
  is3d: true,
  run: (stage) => {
    const studio = new Studio(stage);
    for (let left = 1 + stage.chance(8); left > 0; left--) {
      const colour = stage.chance(2 ** 24);
      studio.clear(colour);
      const cleared = new Uint32Array(size.width * size.height).fill((0xff00_0000 | colour) >>> 0);
      studio.expect(0, cleared);
      studio.copy();
      studio.expect(1, cleared);
      const pixels = studio.upload();
      studio.copy();
      studio.expect(1, pixels);
      studio.show(1, pixels);
    }
    studio.leave();
  },
};
