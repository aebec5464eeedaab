// Which resources a stream is told to have written to, and where: by streams as a guest's driver makes them.

import { beforeEach, describe, expect, test } from "bun:test";
import fc from "fast-check";
import { StreamTargets } from "../../../../src/actors/gpu/renderer/virgl/stream-targets.ts";
import { VirglResource } from "../../../../src/actors/gpu/renderer/virgl/resource.ts";
import { rangeBox, rectangleBox } from "../../../device/3d-support.ts";
import * as virgl from "../../../../lab/driver/virgl/index.ts";

const { B8G8R8A8_UNORM } = virgl.VirglFormat;
const { CommandStream } = virgl;

const picture = (id: number): [number, VirglResource] => [
  id,
  new VirglResource(id, [virgl.Target.TEXTURE_2D, B8G8R8A8_UNORM, 2, 100, 80, 1, 1, 2, 0, 0]),
];
const resources = new Map(Array.from({ length: 40 }, (_, index) => picture(index + 1)));
let targets: StreamTargets;
beforeEach(() => {
  targets = new StreamTargets(resources);
});

type Written = [resource: number, x: number, y: number, width: number, height: number];

/** What a stream of context 1 is told to write. */
function written(build: (stream: virgl.CommandStream) => void, context = 1): Written[] {
  const stream = new CommandStream();
  build(stream);
  const told: Written[] = [];
  const words = new Uint32Array(stream.bytes.slice().buffer);
  targets.follow(context, words, 0, words.length, (...all) => told.push(all));
  return told;
}

const colours = (stream: virgl.CommandStream): void =>
  virgl.clear(stream, virgl.ClearBuffers.COLOR0, [1, 0, 0, 1]);
const triangle = (stream: virgl.CommandStream): void =>
  virgl.drawVbo(stream, { mode: virgl.Primitive.TRIANGLES, count: 3 });

/** A framebuffer with a surface of `resource`, by the handle that is ten times as large. */
function bindPicture(stream: virgl.CommandStream, resourceId: number, level = 0): void {
  virgl.createSurface(stream, resourceId * 10, { resourceId, format: B8G8R8A8_UNORM, level });
  virgl.setFramebufferState(stream, [resourceId * 10]);
}

describe("a stream writes", () => {
  test("all of what it clears, though the surface was bound by a stream before, and destroyed since", () => {
    expect(written((stream) => bindPicture(stream, 7))).toEqual([]);
    expect(written((stream) => virgl.destroyObject(stream, virgl.ObjectType.SURFACE, 70))).toEqual([]);
    expect(written(colours)).toEqual([[7, 0, 0, 100, 80]]);
    // Another context has state of its own.
    expect(written(colours, 2)).toEqual([]);
    targets.forget(1);
    expect(written(colours)).toEqual([]);
  });

  test("with its draws what viewport and scissor leave of the picture", () => {
    written((stream) => {
      bindPicture(stream, 3);
      virgl.setViewport(stream, { x: 10, y: 20, width: 50, height: 40 });
      virgl.setScissor(stream, { x: 0, y: 30, width: 30, height: 99 });
    });
    // A scissor counts only with a rasterizer that heeds it.
    expect(written(triangle)).toEqual([[3, 10, 20, 50, 40]]);
    const scissored = written((stream) => {
      virgl.createRasterizer(stream, 5, { scissor: true });
      virgl.bindObject(stream, virgl.ObjectType.RASTERIZER, 5);
      triangle(stream);
    });
    expect(scissored).toEqual([[3, 10, 30, 20, 30]]);
  });

  test("what it blits, copies and uploads to, once a resource with all rectangles joined", () => {
    const told = written((stream) => {
      const source = { resourceId: 1, format: B8G8R8A8_UNORM, box: rectangleBox(0, 0, 4, 4) };
      const flipped = { x: 20, y: 30, z: 0, width: -10, height: -5, depth: 1 };
      virgl.blit(stream, { resourceId: 2, format: B8G8R8A8_UNORM, box: flipped }, source);
      virgl.resourceCopyRegion(stream, { resourceId: 3, x: 7, y: 8 }, source);
      virgl.resourceInlineWrite(
        stream,
        { resourceId: 2, box: rectangleBox(50, 60, 1, 2) },
        new Uint8Array(8),
      );
      virgl.resourceInlineWrite(stream, { resourceId: 9, box: rangeBox(90, 99) }, new Uint8Array(99));
    });
    expect(told).toEqual([
      [2, 10, 25, 41, 37],
      [3, 7, 8, 4, 4],
      [9, 90, 0, 10, 1],
    ]);
  });

  test("no pixel of the picture with other levels and layers, which is told all the same", () => {
    const told = written((stream) => {
      bindPicture(stream, 4, 1);
      colours(stream);
      virgl.resourceCopyRegion(
        stream,
        { resourceId: 5, z: 2 },
        { resourceId: 1, box: rectangleBox(0, 0, 4, 4) },
      );
    });
    expect(told).toEqual([
      [4, 0, 0, 0, 0],
      [5, 0, 0, 0, 0],
    ]);
  });

  test("what the sub-context draws to that is the current one", () => {
    written((stream) => {
      bindPicture(stream, 1);
      virgl.createSubContext(stream, 6);
      bindPicture(stream, 2);
    });
    expect(written(colours)).toEqual([[2, 0, 0, 100, 80]]);
    expect(
      written((stream) => {
        virgl.setSubContext(stream, 0);
        colours(stream);
      }),
    ).toEqual([[1, 0, 0, 100, 80]]);
    expect(
      written((stream) => {
        virgl.setSubContext(stream, 6);
        virgl.destroySubContext(stream, 6);
        colours(stream);
      }),
    ).toEqual([[1, 0, 0, 100, 80]]);
  });

  test("to nothing that there is not, and beyond sixteen resources to others", () => {
    const told = written((stream) => {
      for (let resourceId = 20; resourceId < 44; resourceId++) {
        virgl.resourceInlineWrite(stream, { resourceId, box: rectangleBox(0, 0, 1, 1) }, new Uint8Array(4));
      }
    });
    expect(told.map(([id]) => id)).toEqual([...Array.from({ length: 16 }, (_, at) => at + 20), 0]);
    expect(
      written((stream) =>
        virgl.resourceCopyRegion(stream, { resourceId: 99 }, { resourceId: 1, box: rangeBox(0, 1) }),
      ),
    ).toEqual([]);
  });
});

test("whatever a stream is, it ends, and what it is told to write lies inside of what there is", () => {
  const commands = [1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 28, 29, 30, 43, 45, 47, 62];
  const payload = fc.array(fc.oneof(fc.nat(9), fc.integer(), fc.constant(0x7fc0_0000)), { maxLength: 24 });
  const command = fc.tuple(fc.constantFrom(...commands), fc.constantFrom(0, 2, 8), payload);
  fc.assert(
    fc.property(fc.array(command, { maxLength: 20 }), (list) => {
      const words = Uint32Array.from(
        list.flatMap(([number, object, rest]) => [number | (object << 8) | (rest.length << 16), ...rest]),
      );
      targets.follow(1, words, 0, words.length, (id, x, y, width, height) => {
        expect(id).toBeLessThanOrEqual(40);
        expect([x, y, width, height].every((one) => one >= 0)).toBe(true);
        expect(x + width).toBeLessThanOrEqual(100);
        expect(y + height).toBeLessThanOrEqual(80);
      });
    }),
    { numRuns: 500 },
  );
});
