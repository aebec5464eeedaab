// What command streams draw, blit and copy, read back with TRANSFER_FROM_HOST_3D and compared with pictures that these
// tests compute.

import { describe, expect, test } from "bun:test";
import type { SyntheticGuest } from "../../lab/driver/synthetic-guest.ts";
import * as virgl from "../../lab/driver/virgl/index.ts";
import { bindPipeline, vertexBuffer, type Vertex } from "./3d-pipeline.ts";
import { crop, paste, serveTests } from "./support.ts";
import {
  bgra,
  boxOf,
  clearTo,
  download,
  draw,
  expectPixels,
  gradient,
  makeBuffer,
  makeContext,
  makeTexture,
  patient,
  pictureBind,
  rangeBox,
  rectangleBox,
  type Texture,
  upload,
  virglServer,
} from "./3d-support.ts";

const { withDevice } = serveTests(...virglServer);
const { B8G8R8A8_UNORM, B8G8R8X8_UNORM, S8_UINT_Z24_UNORM } = virgl.VirglFormat;
const { VERTEX, FRAGMENT } = virgl.ShaderType;
const [width, height] = [48, 32];

/** Runs `body` with a guest that has context 1. */
const with3d = (body: (guest: SyntheticGuest) => void) =>
  withDevice(patient, (guest) => {
    makeContext(guest);
    body(guest);
  });

describe("clear", () => {
  test("fills all of a picture with its colour", () =>
    with3d((guest) => {
      const texture = makeTexture(guest, 1, width, height);
      draw(guest, (stream) => clearTo(stream, texture, [12, 200, 77, 128]));
      expect(download(guest, texture)).toEqual(new Uint32Array(width * height).fill(bgra(12, 200, 77, 128)));
    }));

  test("rounds to the nearest of 256 values", () =>
    with3d((guest) => {
      const texture = makeTexture(guest, 1, 4, 4);
      draw(guest, (stream) => clearTo(stream, texture, [63.7, 64.3, 127.6, 254.6]));
      expect(download(guest, texture)).toEqual(new Uint32Array(16).fill(bgra(64, 64, 128, 255)));
    }));

  test("of one layer and one level leaves the others alone", () =>
    with3d((guest) => {
      const target = virgl.Target.TEXTURE_2D_ARRAY;
      const texture = makeTexture(guest, 1, 8, 8, { target, arraySize: 3, lastLevel: 1 });
      const old = gradient(8, 24);
      upload(guest, texture, old);
      draw(guest, (stream) => {
        virgl.createSurface(stream, 1, { ...texture, firstLayer: 1 });
        virgl.setFramebufferState(stream, [1]);
        virgl.clear(stream, virgl.ClearBuffers.COLOR0, [1, 0, 0, 1]);
        virgl.createSurface(stream, 2, { ...texture, firstLayer: 2, level: 1 });
        virgl.setFramebufferState(stream, [2]);
        virgl.clear(stream, virgl.ClearBuffers.COLOR0, [0, 1, 0, 1]);
      });
      const expected = old.slice().fill(bgra(255, 0, 0), 64, 128);
      expect(download(guest, texture)).toEqual(expected);
    }));

  test("two sub-contexts have objects of their own under the same handles", () =>
    with3d((guest) => {
      const [one, two] = [makeTexture(guest, 1, 4, 4), makeTexture(guest, 2, 4, 4)];
      draw(guest, (stream) => {
        virgl.createSurface(stream, 1, one);
        virgl.createSubContext(stream, 1);
        virgl.setSubContext(stream, 1);
        virgl.createSurface(stream, 1, two);
        virgl.setFramebufferState(stream, [1]);
        virgl.clear(stream, virgl.ClearBuffers.COLOR0, [0, 0, 1, 1]);
        virgl.setSubContext(stream, 0);
        virgl.setFramebufferState(stream, [1]);
        virgl.clear(stream, virgl.ClearBuffers.COLOR0, [1, 0, 0, 1]);
        virgl.destroySubContext(stream, 1);
      });
      expect(download(guest, one)).toEqual(new Uint32Array(16).fill(bgra(255, 0, 0)));
      expect(download(guest, two)).toEqual(new Uint32Array(16).fill(bgra(0, 0, 255)));
    }));

  test("a second context sees what the first one drew", () =>
    with3d((guest) => {
      makeContext(guest, 2);
      const drawn = makeTexture(guest, 1, 8, 8, {}, [1, 2]);
      const copy = makeTexture(guest, 2, 8, 8, {}, [2]);
      draw(guest, (stream) => clearTo(stream, drawn, [1, 2, 3, 4]));
      const source = { resourceId: 1, box: boxOf(drawn) };
      draw(guest, (stream) => virgl.resourceCopyRegion(stream, { resourceId: 2 }, source), 2);
      expect(download(guest, copy)).toEqual(new Uint32Array(64).fill(bgra(1, 2, 3, 4)));
    }));
});

const triangles = (count: number): virgl.Draw => ({ mode: virgl.Primitive.TRIANGLES, count });

/** Two triangles over a rectangle in normalised device coordinates, of one colour; clockwise on the screen. */
function rectangle(
  left: number,
  bottom: number,
  right: number,
  top: number,
  z: number,
  colour: number[],
): Vertex[] {
  const corner = (x: number, y: number): Vertex => [[x, y, z, 1], colour];
  const [a, b, c, d] = [corner(left, bottom), corner(left, top), corner(right, top), corner(right, bottom)];
  return [a, b, c, a, c, d];
}

/**
 * What a triangle makes of a pixel: its interpolated attribute, null outside, undefined within a pixel of an edge, where
 * the two may differ in rounding.
 */
function shade(
  vertices: readonly Vertex[],
  texture: Texture,
  x: number,
  y: number,
): number[] | null | undefined {
  const points = vertices.map(([[px, py, , w]]) => ({
    x: ((px / w + 1) / 2) * texture.width,
    y: ((1 - py / w) / 2) * texture.height,
    w,
  }));
  const [px, py] = [x + 0.5, y + 0.5];
  const sides = points.map((from, at) => {
    const to = points[(at + 1) % 3]!;
    return (
      ((to.x - from.x) * (py - from.y) - (to.y - from.y) * (px - from.x)) /
      Math.hypot(to.x - from.x, to.y - from.y)
    );
  });
  const facing = Math.sign(sides.reduce((sum, side, at) => sum + side * lengthOf(points, at), 0));
  const inside = sides.map((side) => side * facing);
  if (Math.min(...inside) < -1) return null;
  if (Math.min(...inside) < 1) return undefined;
  // The weight of a corner is that of the side opposite to it, over w for perspective.
  const weights = points.map(
    (point, at) => (inside[(at + 1) % 3]! * lengthOf(points, (at + 1) % 3)) / point.w,
  );
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  return vertices[0]![1].map((_, channel) =>
    vertices.reduce((sum, [, attribute], at) => sum + (attribute[channel]! * weights[at]!) / total, 0),
  );
}

const lengthOf = (points: readonly { x: number; y: number }[], at: number): number => {
  const [from, to] = [points[at]!, points[(at + 1) % 3]!];
  return Math.hypot(to.x - from.x, to.y - from.y);
};

const pixelOf = ([red, green, blue, alpha]: number[]): number =>
  bgra(Math.round(red! * 255), Math.round(green! * 255), Math.round(blue! * 255), Math.round(alpha! * 255));

describe("draw_vbo", () => {
  const flat: Vertex[] = [
    [
      [-0.9, -0.8, 0, 1],
      [1, 0, 0, 1],
    ],
    [
      [0.1, 0.9, 0, 1],
      [0, 1, 0, 1],
    ],
    [
      [0.8, -0.6, 0, 1],
      [0, 0, 1, 0],
    ],
  ];
  const deep: Vertex[] = [
    [
      [-0.9, -0.8, 0, 1],
      [1, 0, 0, 1],
    ],
    [
      [0.1 * 3, 0.9 * 3, 0, 3],
      [0, 1, 0, 1],
    ],
    [
      [0.8 * 5, -0.6 * 5, 0, 5],
      [0, 0, 1, 0],
    ],
  ];
  for (const [name, vertices] of [
    ["flat", flat],
    ["in perspective", deep],
  ] as const) {
    test(`a triangle ${name} is shaded from corner to corner`, () =>
      with3d((guest) => {
        const texture = makeTexture(guest, 1, 96, 64);
        vertexBuffer(guest, 50, vertices);
        draw(guest, (stream) => {
          clearTo(stream, texture, [10, 20, 30, 40]);
          bindPipeline(stream, texture);
          virgl.drawVbo(stream, triangles(3));
        });
        let inside = 0;
        let outside = 0;
        const shaded = (x: number, y: number): number | undefined => {
          const colour = shade(vertices, texture, x, y);
          if (colour === undefined || colour === null) return undefined;
          inside++;
          return pixelOf(colour);
        };
        const background = (x: number, y: number): number | undefined => {
          if (shade(vertices, texture, x, y) !== null) return undefined;
          outside++;
          return bgra(10, 20, 30, 40);
        };
        const drawn = download(guest, texture);
        expectPixels(drawn, 96, shaded, 1);
        expectPixels(drawn, 96, background);
        expect(inside).toBeGreaterThan(1000);
        expect(outside).toBeGreaterThan(2000);
      }));
  }

  test("depth decides what is in front, whatever the order", () =>
    with3d((guest) => {
      const texture = makeTexture(guest, 1, width, height);
      makeTexture(guest, 2, width, height, { format: S8_UINT_Z24_UNORM, bind: virgl.Bind.DEPTH_STENCIL });
      const near = rectangle(-1, -1, 0.5, 1, -0.5, [1, 0, 0, 1]);
      const far = rectangle(-0.5, -1, 1, 1, 0.5, [0, 0, 1, 1]);
      vertexBuffer(guest, 50, [...near, ...far]);
      draw(guest, (stream) => {
        virgl.createSurface(stream, 9, { resourceId: 2, format: S8_UINT_Z24_UNORM });
        bindPipeline(stream, texture, { depthSurface: 9, dsa: { depthFunc: virgl.CompareFunc.LESS } });
        virgl.clear(stream, virgl.ClearBuffers.COLOR0 | virgl.ClearBuffers.DEPTH, [0, 0, 0, 1]);
        virgl.drawVbo(stream, triangles(12));
      });
      const edge = width * 0.75;
      expectPixels(download(guest, texture), width, (x) => (x < edge ? bgra(255, 0, 0) : bgra(0, 0, 255)));
    }));

  test("blending mixes by source alpha", () =>
    with3d((guest) => {
      const texture = makeTexture(guest, 1, 8, 8);
      vertexBuffer(guest, 50, rectangle(-1, -1, 1, 1, 0, [1, 0.5, 0, 0.25]));
      const { SRC_ALPHA, INV_SRC_ALPHA } = virgl.BlendFactor;
      draw(guest, (stream) => {
        clearTo(stream, texture, [0, 0, 200, 255]);
        bindPipeline(stream, texture, { blend: { source: SRC_ALPHA, destination: INV_SRC_ALPHA } });
        virgl.drawVbo(stream, triangles(6));
      });
      expectPixels(download(guest, texture), 8, () => bgra(64, 32, 150, 207), 1);
    }));

  test("a colour mask keeps channels as they were", () =>
    with3d((guest) => {
      const texture = makeTexture(guest, 1, 8, 8);
      vertexBuffer(guest, 50, rectangle(-1, -1, 1, 1, 0, [1, 1, 1, 1]));
      const [green, alpha] = [2, 8];
      draw(guest, (stream) => {
        clearTo(stream, texture, [1, 2, 3, 4]);
        bindPipeline(stream, texture, { blend: { colourMask: green | alpha } });
        virgl.drawVbo(stream, triangles(6));
      });
      expectPixels(download(guest, texture), 8, () => bgra(1, 255, 3, 255));
    }));

  test("scissor keeps a draw inside of its rectangle", () =>
    with3d((guest) => {
      const texture = makeTexture(guest, 1, width, height);
      vertexBuffer(guest, 50, rectangle(-1, -1, 1, 1, 0, [1, 1, 0, 1]));
      draw(guest, (stream) => {
        clearTo(stream, texture, [0, 0, 0, 0]);
        bindPipeline(stream, texture, { rasterizer: { scissor: true } });
        virgl.setScissor(stream, { x: 3, y: 5, width: 20, height: 10 });
        virgl.drawVbo(stream, triangles(6));
      });
      const yellow = bgra(255, 255, 0);
      expectPixels(download(guest, texture), width, (x, y) =>
        x >= 3 && x < 23 && y >= 5 && y < 15 ? yellow : 0,
      );
    }));

  test("the viewport says where the picture goes, and which way up", () =>
    with3d((guest) => {
      const texture = makeTexture(guest, 1, width, height);
      // The upper half in normalised device coordinates.
      vertexBuffer(guest, 50, rectangle(-1, 0, 1, 1, 0, [0, 1, 1, 1]));
      draw(guest, (stream) => {
        clearTo(stream, texture, [0, 0, 0, 0]);
        bindPipeline(stream, texture);
        virgl.setViewport(stream, { x: 4, y: 2, width: 16, height: 20 }, true);
        virgl.drawVbo(stream, triangles(6));
        virgl.setViewport(stream, { x: 24, y: 2, width: 16, height: 20 }, false);
        virgl.drawVbo(stream, triangles(6));
      });
      const cyan = bgra(0, 255, 255);
      expectPixels(download(guest, texture), width, (x, y) => {
        const top = x >= 4 && x < 20 && y >= 2 && y < 12;
        const bottom = x >= 24 && x < 40 && y >= 12 && y < 22;
        return top || bottom ? cyan : 0;
      });
    }));

  test("culling leaves out back faces", () =>
    with3d((guest) => {
      const texture = makeTexture(guest, 1, width, height);
      const front = rectangle(-1, -1, 0, 1, 0, [1, 0, 0, 1]);
      const back = rectangle(0, -1, 1, 1, 0, [0, 1, 0, 1]).toReversed();
      vertexBuffer(guest, 50, [...front, ...back]);
      draw(guest, (stream) => {
        clearTo(stream, texture, [9, 9, 9, 9]);
        bindPipeline(stream, texture, { rasterizer: { cullFace: virgl.Face.BACK } });
        virgl.drawVbo(stream, triangles(12));
      });
      expectPixels(download(guest, texture), width, (x) =>
        x < width / 2 ? bgra(255, 0, 0) : bgra(9, 9, 9, 9),
      );
    }));

  test("flat shading takes the last corner's colour", () =>
    with3d((guest) => {
      const texture = makeTexture(guest, 1, 8, 8);
      const corners = rectangle(-1, -1, 1, 1, 0, [0, 0, 0, 1]);
      const colours = [
        [1, 0, 0, 1],
        [0, 1, 0, 1],
        [0, 0, 1, 1],
      ];
      vertexBuffer(
        guest,
        50,
        corners.map(([position], at) => [position, colours[at % 3]!]),
      );
      // Only colours are flat-shaded.
      const colouredFragments = virgl.colouredFragments.replace("GENERIC[0], PERSPECTIVE", "COLOR");
      const colourVertices = virgl.passVertices.replace("GENERIC[0]", "COLOR");
      draw(guest, (stream) => {
        bindPipeline(stream, texture, { fragments: colouredFragments, rasterizer: { flatShade: true } });
        virgl.createShader(stream, 8, VERTEX, colourVertices);
        virgl.bindShader(stream, 8, VERTEX);
        virgl.drawVbo(stream, triangles(6));
      });
      expectPixels(download(guest, texture), 8, () => bgra(0, 0, 255));
    }));

  for (const [bytes, indices] of [
    [2, Uint16Array],
    [4, Uint32Array],
  ] as const) {
    test(`indices of ${bytes} bytes, from an offset, with a bias`, () =>
      with3d((guest) => {
        const texture = makeTexture(guest, 1, width, height);
        const red = rectangle(-1, -1, 1, 1, 0, [1, 0, 0, 1]);
        const blue = rectangle(0, -1, 1, 1, 0, [0, 0, 1, 1]);
        vertexBuffer(guest, 50, [...red, ...blue]);
        // Three to skip, then the left triangle pair of what is six vertices further on.
        const content = indices.from([9, 9, 9, 0, 1, 2, 3, 4, 5]);
        makeBuffer(guest, 51, virgl.Bind.INDEX_BUFFER, new Uint8Array(content.buffer));
        draw(guest, (stream) => {
          clearTo(stream, texture, [0, 255, 0, 255]);
          bindPipeline(stream, texture);
          virgl.setIndexBuffer(stream, 51, bytes, 3 * bytes);
          virgl.drawVbo(stream, { ...triangles(6), indexed: true, indexBias: 6 });
        });
        expectPixels(download(guest, texture), width, (x) =>
          x < width / 2 ? bgra(0, 255, 0) : bgra(0, 0, 255),
        );
      }));
  }

  test("constants arrive in both shaders", () =>
    with3d((guest) => {
      const texture = makeTexture(guest, 1, width, height);
      // A unit square in front of a camera that only moves it: x from −1 to 0.
      vertexBuffer(guest, 50, rectangle(0, -1, 1, 1, 0, [0, 0, 1, 0]));
      const moved = [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, -1, 0, 0, 0];
      const camera = [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1];
      draw(guest, (stream) => {
        clearTo(stream, texture, [0, 0, 0, 0]);
        bindPipeline(stream, texture, { fragments: virgl.flatFragments });
        virgl.createShader(stream, 8, VERTEX, virgl.solidVertices);
        virgl.bindShader(stream, 8, VERTEX);
        virgl.setConstantBuffer(stream, VERTEX, [...moved, ...camera]);
        virgl.setConstantBuffer(stream, FRAGMENT, [0.2, 0.4, 0.6, 0.8]);
        virgl.drawVbo(stream, triangles(6));
      });
      expectPixels(download(guest, texture), width, (x) => (x < width / 2 ? bgra(51, 102, 153, 204) : 0));
    }));

  test("a texture is sampled pixel by pixel", () =>
    with3d((guest) => {
      const [target, source] = [makeTexture(guest, 1, width, height), makeTexture(guest, 2, width, height)];
      const picture = gradient(width, height);
      upload(guest, source, picture);
      const corners = rectangle(-1, -1, 1, 1, 0, [0, 0, 0, 0]);
      // The first row of a texture is at 0, and at the top of the screen.
      vertexBuffer(
        guest,
        50,
        corners.map(([position]) => [position, [(position[0] + 1) / 2, (1 - position[1]) / 2, 0, 0]]),
      );
      draw(guest, (stream) => {
        bindPipeline(stream, target, { fragments: virgl.texturedFragments });
        virgl.createSamplerView(stream, 8, { ...source, target: virgl.Target.TEXTURE_2D });
        virgl.setSamplerViews(stream, FRAGMENT, [8]);
        virgl.createSamplerState(stream, 9);
        virgl.bindSamplerStates(stream, FRAGMENT, [9]);
        virgl.drawVbo(stream, triangles(6));
      });
      expect(download(guest, target)).toEqual(picture);
    }));

  test("four samples a pixel smooth an edge when they are resolved", () =>
    with3d((guest) => {
      const texture = makeTexture(guest, 1, width, height);
      const many = { bind: virgl.Bind.RENDER_TARGET, samples: 4 };
      const multisampled = makeTexture(guest, 2, width, height, many);
      vertexBuffer(guest, 50, rectangle(-1, -1, 0, 1, 0, [1, 0, 0, 1]));
      draw(guest, (stream) => {
        clearTo(stream, multisampled, [0, 0, 255, 255]);
        bindPipeline(stream, multisampled, { rasterizer: { multisample: true } });
        virgl.setViewport(stream, { x: 1, y: 0, width: width - 1, height });
        virgl.drawVbo(stream, triangles(6));
        const box = boxOf(texture);
        virgl.blit(stream, { ...texture, box }, { ...multisampled, box });
      });
      // The right edge is at 1 + 47 / 2: half of the samples of its pixel are red.
      expectPixels(
        download(guest, texture),
        width,
        (x) =>
          x === 0
            ? bgra(0, 0, 255)
            : x < 24
              ? bgra(255, 0, 0)
              : x === 24
                ? bgra(128, 0, 128)
                : bgra(0, 0, 255),
        1,
      );
    }));
});

describe("blit", () => {
  const prepare = (
    guest: SyntheticGuest,
    extra = {},
  ): { from: Texture; to: Texture; picture: Uint32Array } => {
    const from = makeTexture(guest, 1, width, height);
    const to = makeTexture(guest, 2, width * 2, height * 2, extra);
    const picture = gradient(width, height);
    upload(guest, from, picture);
    upload(guest, to, new Uint32Array(width * height * 4).fill(0x11223344));
    return { from, to, picture };
  };

  test("of a rectangle copies that rectangle", () =>
    with3d((guest) => {
      const { from, to, picture } = prepare(guest);
      draw(guest, (stream) =>
        virgl.blit(
          stream,
          { ...to, box: rectangleBox(30, 20, 11, 7) },
          { ...from, box: rectangleBox(3, 2, 11, 7) },
        ),
      );
      expectPixels(download(guest, to), to.width, (x, y) =>
        x >= 30 && x < 41 && y >= 20 && y < 27 ? picture[(y - 18) * width + x - 27]! : 0x11223344,
      );
    }));

  test("twice as large makes four pixels of one", () =>
    with3d((guest) => {
      const { from, to, picture } = prepare(guest);
      draw(guest, (stream) => virgl.blit(stream, { ...to, box: boxOf(to) }, { ...from, box: boxOf(from) }));
      expectPixels(download(guest, to), to.width, (x, y) => picture[(y >> 1) * width + (x >> 1)]!);
    }));

  test("a third as large takes the middle of nine pixels", () =>
    with3d((guest) => {
      const { from, to, picture } = prepare(guest);
      draw(guest, (stream) =>
        virgl.blit(
          stream,
          { ...to, box: rectangleBox(0, 0, 16, 10) },
          { ...from, box: rectangleBox(0, 0, 48, 30) },
        ),
      );
      expectPixels(download(guest, to), to.width, (x, y) =>
        x < 16 && y < 10 ? picture[(y * 3 + 1) * width + x * 3 + 1]! : 0x11223344,
      );
    }));

  const flips: [string, number, number][] = [
    ["left to right", -1, 1],
    ["upside down", 1, -1],
    ["both ways", -1, -1],
  ];
  for (const [name, signX, signY] of flips) {
    test(`flips ${name}`, () =>
      with3d((guest) => {
        const { from, to, picture } = prepare(guest);
        const box = {
          x: signX < 0 ? width : 0,
          y: signY < 0 ? height : 0,
          z: 0,
          width: signX * width,
          height: signY * height,
          depth: 1,
        };
        draw(guest, (stream) =>
          virgl.blit(stream, { ...to, box: rectangleBox(5, 6, width, height) }, { ...from, box }),
        );
        expectPixels(download(guest, to), to.width, (x, y) => {
          const [column, row] = [x - 5, y - 6];
          if (column < 0 || row < 0 || column >= width || row >= height) return 0x11223344;
          return picture[
            (signY < 0 ? height - 1 - row : row) * width + (signX < 0 ? width - 1 - column : column)
          ]!;
        });
      }));
  }

  test("changes nothing outside of its scissor", () =>
    with3d((guest) => {
      const { from, to, picture } = prepare(guest);
      const scissor = { x: 7, y: 9, width: 20, height: 5 };
      draw(guest, (stream) =>
        virgl.blit(stream, { ...to, box: boxOf(from) }, { ...from, box: boxOf(from) }, { scissor }),
      );
      expectPixels(download(guest, to), to.width, (x, y) =>
        x >= 7 && x < 27 && y >= 9 && y < 14 ? picture[y * width + x]! : 0x11223344,
      );
    }));

  test("with a linear filter mixes neighbours", () =>
    with3d((guest) => {
      const from = makeTexture(guest, 1, 2, 1);
      const to = makeTexture(guest, 2, 8, 1);
      upload(guest, from, [bgra(0, 40, 200, 255), bgra(240, 40, 40, 255)]);
      const options = { filter: virgl.Filter.LINEAR };
      draw(guest, (stream) =>
        virgl.blit(stream, { ...to, box: boxOf(to) }, { ...from, box: boxOf(from) }, options),
      );
      expectPixels(
        download(guest, to),
        8,
        (x) => {
          const share = Math.min(1, Math.max(0, (x + 0.5) / 4 - 0.5));
          return bgra(Math.round(240 * share), 40, Math.round(200 - 160 * share));
        },
        1,
      );
    }));

  const { R8G8B8A8_UNORM } = virgl.VirglFormat;
  test("between formats keeps the colours and swaps the bytes", () =>
    with3d((guest) => {
      const { from, to, picture } = prepare(guest, { format: R8G8B8A8_UNORM });
      draw(guest, (stream) =>
        virgl.blit(stream, { ...to, box: rectangleBox(0, 0, width, height) }, { ...from, box: boxOf(from) }),
      );
      const swapped = (pixel: number) =>
        ((pixel & 0xff00ff00) | ((pixel >>> 16) & 0xff) | ((pixel & 0xff) << 16)) >>> 0;
      expectPixels(download(guest, to), to.width, (x, y) =>
        x < width && y < height ? swapped(picture[y * width + x]!) : 0x11223344,
      );
    }));

  test("from a format without alpha makes it opaque", () =>
    with3d((guest) => {
      const from = makeTexture(guest, 1, width, height, { format: B8G8R8X8_UNORM });
      const to = makeTexture(guest, 2, width, height);
      const picture = gradient(width, height);
      upload(guest, from, picture);
      draw(guest, (stream) => virgl.blit(stream, { ...to, box: boxOf(to) }, { ...from, box: boxOf(from) }));
      expectPixels(download(guest, to), width, (x, y) => (picture[y * width + x]! | 0xff000000) >>> 0);
    }));

  test("to 16 bits a pixel rounds each channel", () =>
    with3d((guest) => {
      const { B5G6R5_UNORM } = virgl.VirglFormat;
      const from = makeTexture(guest, 1, width, height);
      const small = makeTexture(guest, 2, width, height, { format: B5G6R5_UNORM });
      const back = makeTexture(guest, 3, width, height);
      const picture = gradient(width, height);
      upload(guest, from, picture);
      const box = boxOf(from);
      draw(guest, (stream) => {
        virgl.blit(stream, { ...small, box }, { ...from, box });
        virgl.blit(stream, { ...back, box }, { ...small, box });
      });
      // To whichever of the two nearest levels; then each level becomes the nearest of 256 values.
      const isNear = (actual: number, value: number, levels: number) =>
        [Math.floor, Math.ceil].some((way) => {
          const level = Math.round((way((value / 255) * levels) * 255) / levels);
          return Math.abs(actual - level) <= 1;
        });
      expectPixels(download(guest, back), width, (x, y) => {
        const [pixel, got] = [picture[y * width + x]!, back.pixels[y * width + x]!];
        const near = [
          [16, 31],
          [8, 63],
          [0, 31],
        ].every(([shift, levels]) => isNear((got >>> shift!) & 255, (pixel >>> shift!) & 255, levels!));
        return near && got >>> 24 === 255 ? got : pixel;
      });
    }));
});

describe("resource_copy_region", () => {
  test("copies a rectangle to another place", () =>
    with3d((guest) => {
      const [from, to] = [makeTexture(guest, 1, width, height), makeTexture(guest, 2, width, height)];
      const picture = gradient(width, height);
      upload(guest, from, picture);
      upload(guest, to, new Uint32Array(width * height).fill(7));
      const box = rectangleBox(4, 8, 21, 13);
      draw(guest, (stream) =>
        virgl.resourceCopyRegion(stream, { resourceId: 2, x: 20, y: 3 }, { resourceId: 1, box }),
      );
      const part = crop(picture, width, box);
      const expected = paste(new Uint32Array(width * height).fill(7), width, { ...box, x: 20, y: 3 }, part);
      expect(download(guest, to)).toEqual(expected);
    }));

  test("copies layers of an array", () =>
    with3d((guest) => {
      const array = { target: virgl.Target.TEXTURE_2D_ARRAY, arraySize: 4 };
      const [from, to] = [makeTexture(guest, 1, 8, 8, array), makeTexture(guest, 2, 8, 8, array)];
      const picture = gradient(8, 32);
      upload(guest, from, picture);
      upload(guest, to, new Uint32Array(8 * 32));
      const box = { x: 0, y: 0, z: 1, width: 8, height: 8, depth: 2 };
      draw(guest, (stream) =>
        virgl.resourceCopyRegion(stream, { resourceId: 2, z: 2 }, { resourceId: 1, box }),
      );
      const expected = new Uint32Array(8 * 32);
      expected.set(picture.subarray(64, 192), 128);
      expect(download(guest, to)).toEqual(expected);
    }));

  test("copies bytes of a buffer", () =>
    with3d((guest) => {
      const bytes = Uint8Array.from({ length: 256 }, (_, at) => at);
      makeBuffer(guest, 1, virgl.Bind.VERTEX_BUFFER, bytes);
      const backing = makeBuffer(guest, 2, virgl.Bind.VERTEX_BUFFER, new Uint8Array(256));
      const source = { resourceId: 1, box: rangeBox(10, 100) };
      draw(guest, (stream) => virgl.resourceCopyRegion(stream, { resourceId: 2, x: 60 }, source));
      backing.bytes.fill(0xee);
      guest.gpu.transferFromHost3d(0, 2, { box: rangeBox(0, 256) });
      const expected = new Uint8Array(256);
      expected.set(bytes.subarray(10, 110), 60);
      expect(backing.bytes).toEqual(expected);
    }));
});

describe("resource_inline_write", () => {
  test("writes a rectangle of a picture that has no backing", () =>
    with3d((guest) => {
      const texture = { resourceId: 1, format: B8G8R8A8_UNORM, width: 16, height: 8, layers: 1 };
      guest.gpu.createResource3d({ ...texture, target: virgl.Target.TEXTURE_2D, bind: pictureBind });
      guest.gpu.attachResource(1, 1);
      const copy = makeTexture(guest, 2, 16, 8);
      const part = gradient(5, 3);
      draw(guest, (stream) => {
        clearTo(stream, texture, [0, 0, 0, 0]);
        const write = { resourceId: 1, box: rectangleBox(4, 2, 5, 3), stride: 20 };
        virgl.resourceInlineWrite(stream, write, new Uint8Array(part.buffer));
        virgl.resourceCopyRegion(stream, { resourceId: 2 }, { resourceId: 1, box: boxOf(texture) });
      });
      const rectangle = { x: 4, y: 2, width: 5, height: 3 };
      expect(download(guest, copy)).toEqual(paste(new Uint32Array(128), 16, rectangle, part));
    }));

  test("writes bytes of a buffer", () =>
    with3d((guest) => {
      const backing = makeBuffer(guest, 1, virgl.Bind.VERTEX_BUFFER, new Uint8Array(64));
      draw(guest, (stream) =>
        virgl.resourceInlineWrite(
          stream,
          { resourceId: 1, box: rangeBox(5, 6) },
          Uint8Array.of(1, 2, 3, 4, 5, 6),
        ),
      );
      guest.gpu.transferFromHost3d(0, 1, { box: rangeBox(0, 64) });
      const expected = new Uint8Array(64);
      expected.set([1, 2, 3, 4, 5, 6], 5);
      expect(backing.bytes).toEqual(expected);
    }));
});

test("what a context has bound is drawn with by its next stream, though another context was made meanwhile", () =>
  with3d((guest) => {
    const texture = makeTexture(guest, 1, width, height);
    const corner = (x: number, y: number): Vertex => [
      [x, y, 0, 1],
      [0, 1, 0, 1],
    ];
    vertexBuffer(guest, 50, [corner(-1, -1), corner(-1, 3), corner(3, -1)]);
    draw(guest, (stream) => {
      clearTo(stream, texture, [9, 9, 9, 255]);
      bindPipeline(stream, texture);
    });
    makeContext(guest, 2);
    draw(guest, (stream) => virgl.drawVbo(stream, { mode: virgl.Primitive.TRIANGLES, count: 3 }));
    expect(download(guest, texture)).toEqual(new Uint32Array(width * height).fill(bgra(0, 255, 0)));
  }));
