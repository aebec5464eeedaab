// Streams that chance writes by the encoders of lab/driver/virgl: whole draws, and commands that stand alone.

import type { Box, Resource3d } from "../driver/commands-3d.ts";
import * as virgl from "../driver/virgl/index.ts";
import { type Chance, odd, oneIn, pick, word } from "./chance.ts";

const { B8G8R8A8_UNORM, R32G32B32A32_FLOAT, R8_UNORM, S8_UINT_Z24_UNORM } = virgl.VirglFormat;
const { BLEND, RASTERIZER, DSA, VERTEX_ELEMENTS, SHADER, SURFACE, SAMPLER_VIEW, SAMPLER_STATE } =
  virgl.ObjectType;
const { VERTEX, FRAGMENT } = virgl.ShaderType;
const size = { width: 64, height: 48 };
const { TEXTURE_2D, TEXTURE_2D_ARRAY, TEXTURE_3D, BUFFER } = virgl.Target;
const drawable = virgl.Bind.RENDER_TARGET | virgl.Bind.SAMPLER_VIEW;

export const buffers = { vertices: 50, indices: 51, query: 52 };

/** What each context has. */
export const resources: readonly Resource3d[] = [
  { resourceId: 1, target: TEXTURE_2D, format: B8G8R8A8_UNORM, bind: drawable, ...size },
  { resourceId: 2, target: TEXTURE_2D, format: B8G8R8A8_UNORM, bind: drawable, ...size, lastLevel: 3 },
  { resourceId: 3, target: TEXTURE_2D, format: S8_UINT_Z24_UNORM, bind: virgl.Bind.DEPTH_STENCIL, ...size },
  { resourceId: 4, target: TEXTURE_2D_ARRAY, format: B8G8R8A8_UNORM, bind: drawable, ...size, arraySize: 4 },
  {
    resourceId: 5,
    target: TEXTURE_3D,
    format: B8G8R8A8_UNORM,
    bind: virgl.Bind.SAMPLER_VIEW,
    width: 16,
    height: 16,
    depth: 4,
  },
  {
    resourceId: buffers.vertices,
    target: BUFFER,
    format: R8_UNORM,
    bind: virgl.Bind.VERTEX_BUFFER,
    width: 4096,
  },
  {
    resourceId: buffers.indices,
    target: BUFFER,
    format: R8_UNORM,
    bind: virgl.Bind.INDEX_BUFFER,
    width: 1024,
  },
  { resourceId: buffers.query, target: BUFFER, format: R8_UNORM, bind: virgl.Bind.CUSTOM, width: 64 },
];

/** Handles are few, so that they meet. */
const handles = 12;
const ids = resources.map(({ resourceId }) => resourceId);
const numbers = Object.values(virgl.Ccmd);
const objectTypes = Object.values(virgl.ObjectType);
const shaders = [
  virgl.passVertices,
  virgl.colouredFragments,
  virgl.texturedFragments,
  virgl.flatFragments,
  virgl.litFragments,
];

/** Appends one to eight commands, or draws. */
export function writeStream(stream: virgl.CommandStream, chance: Chance): void {
  for (let left = 1 + chance(8); left > 0; left--) pick(chance, writers)(stream, chance);
}

type Writer = (stream: virgl.CommandStream, chance: Chance) => void;

const handle = (chance: Chance): number => odd(chance, 1 + chance(handles), 30);
const resource = (chance: Chance): number => odd(chance, pick(chance, ids), 30);
const level = (chance: Chance): number => odd(chance, 0, 10);
const small = (chance: Chance): number => odd(chance, chance(40), 25);
const formats = Object.values(virgl.VirglFormat);
const format = (chance: Chance): number =>
  odd(chance, oneIn(chance, 4) ? pick(chance, formats) : B8G8R8A8_UNORM, 25);

const box = (chance: Chance): Box => ({
  x: small(chance),
  y: small(chance),
  z: odd(chance, 0, 20),
  width: odd(chance, 1 + chance(24), 25),
  height: odd(chance, 1 + chance(24), 25),
  depth: odd(chance, 1, 20),
});

const colour = (chance: Chance): [number, number, number, number] => [
  chance(2),
  chance(256) / 255,
  oneIn(chance, 20) ? NaN : chance(2),
  1,
];

const writers: readonly Writer[] = [
  draw,
  draw,
  (stream, chance) => virgl.clear(stream, odd(chance, virgl.ClearBuffers.COLOR0), colour(chance)),
  (stream, chance) =>
    virgl.createSurface(stream, handle(chance), {
      resourceId: resource(chance),
      format: format(chance),
      level: level(chance),
      firstLayer: odd(chance, 0) & 0xffff,
      lastLayer: odd(chance, 0) & 0xffff,
    }),
  (stream, chance) =>
    virgl.setFramebufferState(
      stream,
      Array.from({ length: chance(10) }, () => handle(chance)),
      chance(2) * handle(chance),
    ),
  (stream, chance) => virgl.createShader(stream, handle(chance), chance(4), shader(chance)),
  (stream, chance) => virgl.bindShader(stream, handle(chance), odd(chance, chance(2))),
  (stream, chance) => virgl.bindObject(stream, pick(chance, objectTypes), handle(chance)),
  (stream, chance) => virgl.destroyObject(stream, pick(chance, objectTypes), handle(chance)),
  (stream, chance) =>
    virgl.createSamplerView(stream, handle(chance), {
      resourceId: resource(chance),
      format: format(chance),
      target: odd(chance, pick(chance, [TEXTURE_2D, TEXTURE_2D_ARRAY, TEXTURE_3D, BUFFER])) & 0xff,
      lastLayer: odd(chance, 0) & 0xffff,
      lastLevel: odd(chance, 0) & 0xff,
    }),
  (stream, chance) => virgl.createSamplerState(stream, handle(chance)),
  (stream, chance) =>
    virgl.setSamplerViews(
      stream,
      odd(chance, FRAGMENT),
      Array.from({ length: chance(4) }, () => handle(chance)),
    ),
  (stream, chance) =>
    virgl.bindSamplerStates(
      stream,
      odd(chance, FRAGMENT),
      Array.from({ length: chance(4) }, () => handle(chance)),
    ),
  (stream, chance) =>
    virgl.createVertexElements(
      stream,
      handle(chance),
      Array.from({ length: chance(5) }, () => ({
        offset: odd(chance, chance(4) * 16),
        format: odd(chance, R32G32B32A32_FLOAT),
        vertexBufferIndex: odd(chance, 0),
        instanceDivisor: odd(chance, 0),
      })),
    ),
  (stream, chance) =>
    virgl.setVertexBuffers(
      stream,
      Array.from({ length: chance(4) }, () => ({
        resourceId: resource(chance),
        stride: odd(chance, 32),
        offset: odd(chance, 0),
      })),
    ),
  (stream, chance) =>
    virgl.setIndexBuffer(stream, resource(chance), odd(chance, pick(chance, [1, 2, 4])), odd(chance, 0)),
  (stream, chance) => virgl.setConstantBuffer(stream, odd(chance, chance(2)), new Float32Array(chance(64))),
  (stream, chance) =>
    virgl.blit(stream, side(chance), side(chance), { mask: odd(chance, virgl.Mask.RGBA) & 0xff }),
  (stream, chance) =>
    virgl.resourceCopyRegion(
      stream,
      { resourceId: resource(chance), level: level(chance), x: small(chance), y: small(chance) },
      { resourceId: resource(chance), level: level(chance), box: box(chance) },
    ),
  (stream, chance) => {
    const write = {
      resourceId: resource(chance),
      level: level(chance),
      stride: odd(chance, 0),
      box: box(chance),
    };
    virgl.resourceInlineWrite(stream, write, new Uint8Array(chance(4096)));
  },
  (stream, chance) => virgl.transfer3d(stream, oneIn(chance, 2) ? "to-host" : "from-host", transfer(chance)),
  (stream, chance) => virgl.copyTransfer3d(stream, "to-host", transfer(chance), resource(chance)),
  (stream, chance) => virgl.createQuery(stream, handle(chance), resource(chance), odd(chance, 0)),
  (stream, chance) => virgl.beginQuery(stream, handle(chance)),
  (stream, chance) => virgl.endQuery(stream, handle(chance)),
  (stream, chance) => virgl.getQueryResult(stream, handle(chance)),
  (stream, chance) =>
    pick(chance, [virgl.createSubContext, virgl.setSubContext, virgl.destroySubContext])(stream, chance(4)),
  anything,
];

/** A command of any number, with any payload. */
function anything(stream: virgl.CommandStream, chance: Chance): void {
  stream.begin(odd(chance, oneIn(chance, 2) ? pick(chance, numbers) : chance(64), 20) & 0xff, chance(12));
  for (let left = chance(20); left > 0; left--) stream.word(odd(chance, chance(70), 3));
  stream.end();
}

const side = (chance: Chance): virgl.BlitSide => ({
  resourceId: resource(chance),
  format: format(chance),
  level: level(chance),
  box: box(chance),
});

const transfer = (chance: Chance): virgl.StreamTransfer => ({
  resourceId: resource(chance),
  box: box(chance),
  offset: odd(chance, 0),
  level: level(chance),
  stride: odd(chance, 0),
});

/** TGSI in which a few letters or numbers may be others. */
function shader(chance: Chance): string {
  const text = pick(chance, shaders);
  if (!oneIn(chance, 3)) return text;
  const lines = text.split("\n");
  const at = chance(lines.length);
  if (oneIn(chance, 3)) lines.splice(at, 1);
  else if (oneIn(chance, 2)) lines.splice(at, 0, pick(chance, lines));
  else lines[at] = lines[at]!.replace(/\d+/, String(word(chance)));
  return lines.join("\n");
}

/** All that a draw needs, in which any part may be another's. */
function draw(stream: virgl.CommandStream, chance: Chance): void {
  const usual = (number: number): number => (oneIn(chance, 40) ? handle(chance) : number);
  virgl.createSurface(stream, 1, {
    resourceId: oneIn(chance, 10) ? resource(chance) : 1,
    format: B8G8R8A8_UNORM,
  });
  virgl.setFramebufferState(stream, [usual(1)]);
  virgl.setViewport(stream, { x: 0, y: 0, width: odd(chance, 64), height: odd(chance, 48) });
  virgl.createBlend(stream, 2);
  virgl.bindObject(stream, BLEND, usual(2));
  virgl.createRasterizer(stream, 3, { scissor: oneIn(chance, 4), flatShade: oneIn(chance, 4) });
  virgl.bindObject(stream, RASTERIZER, usual(3));
  virgl.createDsa(stream, 4);
  virgl.bindObject(stream, DSA, usual(4));
  const elements = [0, 16].map((offset) => ({ offset, format: R32G32B32A32_FLOAT }));
  virgl.createVertexElements(stream, 5, elements);
  virgl.bindObject(stream, VERTEX_ELEMENTS, usual(5));
  virgl.createShader(stream, 6, VERTEX, virgl.passVertices);
  virgl.bindShader(stream, usual(6), VERTEX);
  virgl.createShader(stream, 7, FRAGMENT, oneIn(chance, 4) ? shader(chance) : virgl.colouredFragments);
  virgl.bindShader(stream, usual(7), FRAGMENT);
  virgl.setVertexBuffers(stream, [{ resourceId: resource(chance), stride: odd(chance, 32) }]);
  const indexed = oneIn(chance, 4);
  if (indexed) virgl.setIndexBuffer(stream, resource(chance), 2);
  virgl.drawVbo(stream, {
    mode: odd(chance, virgl.Primitive.TRIANGLES),
    count: chance(64),
    indexed,
    start: odd(chance, 0),
  });
  const objects = [
    SURFACE,
    BLEND,
    RASTERIZER,
    DSA,
    VERTEX_ELEMENTS,
    SHADER,
    SHADER,
    SAMPLER_VIEW,
    SAMPLER_STATE,
  ];
  objects.forEach((type, index) => {
    if (!oneIn(chance, 30)) virgl.destroyObject(stream, type, index + 1);
  });
}
