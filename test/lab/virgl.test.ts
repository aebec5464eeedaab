// The virgl encoder word by word. The layouts are those of virgl_protocol.h.

import { describe, expect, test } from "bun:test";
import * as virgl from "../../lab/driver/virgl/index.ts";

/** What `write` puts into a stream. */
function encode(write: (stream: virgl.CommandStream) => void): number[] {
  const stream = new virgl.CommandStream();
  write(stream);
  return [...new Uint32Array(stream.bytes.buffer, 0, stream.length)];
}

/** A command's header: number, object type, words of payload. */
const header = (command: number, length: number, object = 0) => command | (object << 8) | (length << 16);
const float = (value: number) => new Uint32Array(Float32Array.of(value).buffer)[0]!;
const box = { x: 1, y: 2, z: 3, width: 4, height: 5, depth: 6 };

describe("the stream", () => {
  test("is reused from the start after reset", () => {
    const stream = new virgl.CommandStream();
    virgl.setSubContext(stream, 1);
    virgl.setSubContext(stream, 2);
    expect(stream.length).toBe(4);
    virgl.setSubContext(stream.reset(), 3);
    expect([...stream.bytes]).toEqual([28, 0, 1, 0, 3, 0, 0, 0]);
  });

  test("grows, and keeps what it has", () => {
    const stream = new virgl.CommandStream(1);
    for (let id = 0; id < 100; id++) virgl.setSubContext(stream, id);
    const written = new Uint32Array(stream.bytes.buffer, 0, 200);
    for (let id = 0; id < 100; id++)
      expect([...written.subarray(id * 2, id * 2 + 2)]).toEqual([header(28, 1), id]);
  });

  test("allocates nothing once it is large enough", () => {
    const stream = new virgl.CommandStream(4);
    for (let id = 0; id < 10; id++) virgl.setSubContext(stream, id);
    const { buffer } = stream.bytes;
    for (let id = 0; id < 10; id++) virgl.setSubContext(id === 0 ? stream.reset() : stream, id);
    expect(stream.bytes.buffer).toBe(buffer);
  });

  test("fills the last word of data up with zeros, also where a longer stream was before", () => {
    const stream = new virgl.CommandStream();
    virgl.setConstantBuffer(stream, 0, [NaN, NaN, NaN, NaN]);
    stream.reset().begin(0);
    stream.data(Uint8Array.of(1, 2, 3, 4, 5));
    stream.end();
    expect([...stream.bytes]).toEqual([0, 0, 2, 0, 1, 2, 3, 4, 5, 0, 0, 0]);
  });

  test("refuses a command that is longer than a header can say", () => {
    const stream = new virgl.CommandStream();
    stream.begin(virgl.Ccmd.NOP);
    stream.data(new Uint8Array(4 * 0x1_0000));
    expect(() => stream.end()).toThrow(RangeError);
  });
});

describe("objects", () => {
  test("surface: level, and layers in halves of a word", () => {
    const surface = { resourceId: 5, format: 1, level: 2, firstLayer: 3, lastLayer: 4 };
    expect(encode((stream) => virgl.createSurface(stream, 9, surface))).toEqual([
      header(1, 5, 8),
      9,
      5,
      1,
      2,
      3 | (4 << 16),
    ]);
  });

  test("blend: opaque writes all channels, otherwise factors go to colour and alpha", () => {
    const opaque = encode((stream) => virgl.createBlend(stream, 1));
    expect(opaque).toEqual([header(1, 11, 1), 1, 0, 0, ...Array(8).fill(0x7800_0000)]);
    const { SRC_ALPHA, INV_SRC_ALPHA } = virgl.BlendFactor;
    const mixed = encode((stream) =>
      virgl.createBlend(stream, 1, { source: SRC_ALPHA, destination: INV_SRC_ALPHA, colourMask: 7 }),
    );
    const word = (1 | (3 << 4) | (0x13 << 9) | (3 << 17) | (0x13 << 22) | (7 << 27)) >>> 0;
    expect(mixed.slice(4)).toEqual(Array(8).fill(word));
  });

  test("rasterizer: each switch has its bit", () => {
    const flags = (rasterizer: virgl.Rasterizer) =>
      encode((stream) => virgl.createRasterizer(stream, 1, rasterizer))[2]!;
    const plain = flags({});
    expect(plain).toBe((1 << 1) | (1 << 29));
    expect(flags({ flatShade: true }) ^ plain).toBe(1);
    expect(flags({ cullFace: virgl.Face.BACK }) ^ plain).toBe(2 << 8);
    expect(flags({ scissor: true }) ^ plain).toBe(1 << 14);
    expect(flags({ frontCcw: true }) ^ plain).toBe(1 << 15);
    expect(flags({ multisample: true }) ^ plain).toBe(1 << 25);
    expect(encode((stream) => virgl.createRasterizer(stream, 1)).length).toBe(10);
  });

  test("depth, stencil, alpha", () => {
    expect(encode((stream) => virgl.createDsa(stream, 1))).toEqual([header(1, 5, 3), 1, 0, 0, 0, 0]);
    const dsa = { depthFunc: 1, depthWrite: false, stencil: { func: 2, passOp: 3 } };
    expect(encode((stream) => virgl.createDsa(stream, 1, dsa)).slice(2)).toEqual([
      1 | (1 << 2),
      1 | (2 << 1) | (3 << 7) | (0xff << 13) | (0xff << 21),
      0,
      0,
    ]);
  });

  test("shader: its text ends with a zero, and its length counts that", () => {
    const words = encode((stream) => virgl.createShader(stream, 2, virgl.ShaderType.FRAGMENT, "FRAG\nEND\n"));
    expect(words.slice(0, 4)).toEqual([header(1, 8, 4), 2, 1, 10]);
    expect(words[5]).toBe(0);
    expect(new TextDecoder().decode(Uint32Array.from(words.slice(6)))).toBe("FRAG\nEND\n\0\0\0");
  });

  test("vertex elements: offset, divisor, buffer, format", () => {
    const elements = [
      { offset: 0, format: 30 },
      { offset: 12, format: 31, vertexBufferIndex: 1, instanceDivisor: 2 },
    ];
    expect(encode((stream) => virgl.createVertexElements(stream, 3, elements))).toEqual([
      header(1, 9, 5),
      3,
      0,
      0,
      0,
      30,
      12,
      2,
      1,
      31,
    ]);
  });

  test("sampler view: target beside the format, identity swizzle", () => {
    const view = {
      resourceId: 4,
      format: 1,
      target: 2,
      firstLayer: 1,
      lastLayer: 2,
      firstLevel: 3,
      lastLevel: 4,
    };
    expect(encode((stream) => virgl.createSamplerView(stream, 6, view))).toEqual([
      header(1, 6, 6),
      6,
      4,
      1 | (2 << 24),
      1 | (2 << 16),
      3 | (4 << 8),
      0 | (1 << 3) | (2 << 6) | (3 << 9),
    ]);
  });

  test("sampler state: wrap for three directions, filters", () => {
    const state = {
      wrap: virgl.Wrap.CLAMP_TO_EDGE,
      filter: virgl.Filter.LINEAR,
      mipFilter: virgl.MipFilter.NEAREST,
    };
    const words = encode((stream) => virgl.createSamplerState(stream, 6, state));
    expect(words.slice(0, 3)).toEqual([header(1, 9, 7), 6, 2 | (2 << 3) | (2 << 6) | (1 << 9) | (1 << 13)]);
    expect(words.slice(3)).toEqual([0, 0, float(15), 0, 0, 0, 0]);
  });

  test("bind and destroy", () => {
    expect(encode((stream) => virgl.bindObject(stream, virgl.ObjectType.DSA, 4))).toEqual([
      header(2, 1, 3),
      4,
    ]);
    expect(encode((stream) => virgl.destroyObject(stream, virgl.ObjectType.SHADER, 4))).toEqual([
      header(3, 1, 4),
      4,
    ]);
    expect(encode((stream) => virgl.bindShader(stream, 4, 1))).toEqual([header(31, 2), 4, 1]);
  });
});

describe("state", () => {
  test("framebuffer: count, depth, colours", () => {
    expect(encode((stream) => virgl.setFramebufferState(stream, [7, 8], 9))).toEqual([
      header(5, 4),
      2,
      9,
      7,
      8,
    ]);
  });

  test("viewport: half of the size, and the middle; its y points up or down", () => {
    const rectangle = { x: 10, y: 20, width: 100, height: 50 };
    const viewport = (yUp: boolean) => encode((stream) => virgl.setViewport(stream, rectangle, yUp));
    expect(viewport(true)).toEqual([header(4, 7), 0, ...[50, -25, 0.5, 60, 45, 0.5].map(float)]);
    expect(viewport(false)[3]).toBe(float(25));
  });

  test("scissor: corners in halves of words", () => {
    const rectangle = { x: 1, y: 2, width: 3, height: 4 };
    expect(encode((stream) => virgl.setScissor(stream, rectangle))).toEqual([
      header(15, 3),
      0,
      1 | (2 << 16),
      4 | (6 << 16),
    ]);
  });

  test("vertex, index and constant buffers", () => {
    const buffers = [
      { resourceId: 5, stride: 24 },
      { resourceId: 6, stride: 8, offset: 16 },
    ];
    expect(encode((stream) => virgl.setVertexBuffers(stream, buffers))).toEqual([
      header(6, 6),
      24,
      0,
      5,
      8,
      16,
      6,
    ]);
    expect(encode((stream) => virgl.setIndexBuffer(stream, 5, 2, 12))).toEqual([header(11, 3), 5, 2, 12]);
    expect(encode((stream) => virgl.setConstantBuffer(stream, 1, [1, -2]))).toEqual([
      header(12, 4),
      1,
      0,
      float(1),
      float(-2),
    ]);
  });

  test("samplers and sub-contexts", () => {
    expect(encode((stream) => virgl.setSamplerViews(stream, 1, [4, 5]))).toEqual([header(10, 4), 1, 0, 4, 5]);
    expect(encode((stream) => virgl.bindSamplerStates(stream, 1, [6]))).toEqual([header(18, 3), 1, 0, 6]);
    expect(encode((stream) => virgl.createSubContext(stream, 2))).toEqual([header(29, 1), 2]);
    expect(encode((stream) => virgl.destroySubContext(stream, 2))).toEqual([header(30, 1), 2]);
  });
});

describe("actions", () => {
  test("clear: colour as floats, depth as a double", () => {
    const { COLOR0, DEPTH } = virgl.ClearBuffers;
    expect(encode((stream) => virgl.clear(stream, COLOR0 | DEPTH, [1, 0.5, 0, 1], 1, 7))).toEqual([
      header(7, 8),
      5,
      float(1),
      float(0.5),
      0,
      float(1),
      0,
      0x3ff0_0000,
      7,
    ]);
  });

  test("draw", () => {
    const draw = { mode: 4, start: 3, count: 6, indexed: true, indexBias: -2, instanceCount: 5 };
    expect(encode((stream) => virgl.drawVbo(stream, draw))).toEqual([
      header(8, 12),
      3,
      6,
      4,
      1,
      5,
      0xffff_fffe,
      0,
      0,
      0,
      0,
      0xffff_ffff,
      0,
    ]);
  });

  test("blit: flips are negative sizes, the scissor is a switch and two corners", () => {
    const to = { resourceId: 8, format: 1, box };
    const from = { resourceId: 9, format: 2, level: 1, box: { ...box, height: -5 } };
    const scissor = { x: 1, y: 2, width: 3, height: 4 };
    const options = { filter: virgl.Filter.LINEAR, scissor };
    expect(encode((stream) => virgl.blit(stream, to, from, options))).toEqual([
      header(16, 21),
      0xf | (1 << 8) | (1 << 10),
      1 | (2 << 16),
      4 | (6 << 16),
      8,
      0,
      1,
      1,
      2,
      3,
      4,
      5,
      6,
      9,
      1,
      2,
      1,
      2,
      3,
      4,
      0xffff_fffb,
      6,
    ]);
    expect(encode((stream) => virgl.blit(stream, to, from)).slice(1, 4)).toEqual([0xf, 0, 0]);
  });

  test("copy and inline write", () => {
    const place = { resourceId: 8, level: 1, x: 2, y: 3, z: 4 };
    expect(encode((stream) => virgl.resourceCopyRegion(stream, place, { resourceId: 9, box }))).toEqual([
      header(17, 13),
      8,
      1,
      2,
      3,
      4,
      9,
      0,
      1,
      2,
      3,
      4,
      5,
      6,
    ]);
    const write = { resourceId: 8, level: 1, stride: 16, layerStride: 32, box };
    expect(encode((stream) => virgl.resourceInlineWrite(stream, write, Uint8Array.of(1, 2, 3, 4)))).toEqual([
      header(9, 12),
      8,
      1,
      0,
      16,
      32,
      1,
      2,
      3,
      4,
      5,
      6,
      0x04030201,
    ]);
  });
});
