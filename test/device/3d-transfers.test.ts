// TRANSFER_TO_HOST_3D and TRANSFER_FROM_HOST_3D: boxes, levels, offsets, strides, layers and scattered backing, byte by
// byte (virtio 1.3 §5.7.6.9).

import { describe, expect, test } from "bun:test";
import type { Box, Transfer } from "../../lab/driver/commands-3d.ts";
import type { GuestRange } from "../../lab/driver/guest-memory.ts";
import type { SyntheticGuest } from "../../lab/driver/synthetic-guest.ts";
import * as virgl from "../../lab/driver/virgl/index.ts";
import { Response } from "../../src/transport/wire/virtio-gpu/protocol.ts";
import { expectOk, expectType, expectWorking, serveTests } from "./support.ts";
import {
  boxOf,
  draw,
  clearTo,
  bgra,
  download,
  expectPixels,
  gradient,
  makeBuffer,
  makeContext,
  makeTexture,
  patient,
  pictureBind,
  rangeBox,
  rectangleBox,
  scattered,
  upload,
  virglServer,
} from "./3d-support.ts";

const { withDevice } = serveTests(...virglServer);
const { ERR_INVALID_PARAMETER, ERR_INVALID_RESOURCE_ID, ERR_UNSPEC } = Response;
const [width, height] = [24, 16];
const untouched = 0xdead_beef;

const with3d = (body: (guest: SyntheticGuest) => void) =>
  withDevice(patient, (guest) => {
    makeContext(guest);
    body(guest);
  });

describe("boxes", () => {
  const boxes: [string, Box][] = [
    ["one pixel", rectangleBox(7, 5, 1, 1)],
    ["one row", rectangleBox(0, 5, width, 1)],
    ["one column", rectangleBox(23, 0, 1, height)],
    ["the middle", rectangleBox(3, 4, 11, 9)],
    ["the last pixel", rectangleBox(23, 15, 1, 1)],
  ];
  for (const [name, box] of boxes) {
    test(`to the host: ${name} changes, nothing else`, () =>
      with3d((guest) => {
        const texture = makeTexture(guest, 1, width, height);
        const old = gradient(width, height);
        upload(guest, texture, old);
        const next = gradient(width, height, 9);
        texture.pixels.set(next);
        // The box's first pixel lies where the offset says; rows are those of the level.
        const offset = (box.y * width + box.x) * 4;
        expectOk(guest.gpu.transferToHost3d(1, 1, { box, offset }));
        expectPixels(
          download(guest, texture),
          width,
          (x, y) => (inside(box, x, y) ? next : old)[y * width + x],
        );
      }));

    test(`from the host: ${name} changes, nothing else`, () =>
      with3d((guest) => {
        const texture = makeTexture(guest, 1, width, height);
        const picture = gradient(width, height);
        upload(guest, texture, picture);
        texture.pixels.fill(untouched);
        const offset = (box.y * width + box.x) * 4;
        expectOk(guest.gpu.transferFromHost3d(1, 1, { box, offset }));
        expectPixels(texture.pixels, width, (x, y) =>
          inside(box, x, y) ? picture[y * width + x] : untouched,
        );
      }));
  }

  for (const empty of [
    { width: 0, height: 4, depth: 1 },
    { width: 4, height: 0, depth: 1 },
    { width: 4, height: 4, depth: 0 },
  ]) {
    test(`${empty.width}×${empty.height}×${empty.depth} is nothing, and changes nothing`, () =>
      with3d((guest) => {
        const texture = makeTexture(guest, 1, width, height);
        const picture = gradient(width, height);
        upload(guest, texture, picture);
        texture.pixels.fill(untouched);
        const box = { x: 1, y: 1, z: 0, ...empty };
        expectOk(guest.gpu.transferFromHost3d(1, 1, { box }));
        expectOk(guest.gpu.transferToHost3d(1, 1, { box }));
        expect(texture.pixels).toEqual(new Uint32Array(width * height).fill(untouched));
        expect(download(guest, texture)).toEqual(picture);
      }));
  }
});

describe("offsets and strides", () => {
  const [stride, offset] = [160, 44];
  const place = (x: number, y: number) => (offset + y * stride) / 4 + x;
  const box = rectangleBox(2, 3, 10, 7);

  test("to the host: rows are a stride apart", () =>
    with3d((guest) => {
      const texture = makeTexture(guest, 1, width, height);
      upload(guest, texture, new Uint32Array(width * height));
      const backing = reattach(guest, 1, [guest.memory.allocate(offset + 7 * stride)]);
      const part = gradient(10, 7);
      backing(new Uint8Array(offset + 7 * stride).map((_, at) => pixelByte(part, at)));
      expectOk(guest.gpu.transferToHost3d(1, 1, { box, offset, stride }));
      reattach(guest, 1, [texture.backing]);
      expectPixels(download(guest, texture), width, (x, y) =>
        inside(box, x, y) ? part[(y - 3) * 10 + x - 2] : 0,
      );

      function pixelByte(pixels: Uint32Array, at: number): number {
        const [row, column] = [Math.floor((at - offset) / stride), ((at - offset) % stride) >> 2];
        if (at < offset || column >= 10) return 0xcc;
        return (pixels[row * 10 + column]! >>> (8 * ((at - offset) & 3))) & 255;
      }
    }));

  test("from the host: rows are a stride apart, and what is between them stays", () =>
    with3d((guest) => {
      const texture = makeTexture(guest, 1, width, height);
      const picture = gradient(width, height);
      upload(guest, texture, picture);
      const target = guest.memory.allocate(offset + 7 * stride);
      target.words.fill(untouched);
      reattach(guest, 1, [target]);
      expectOk(guest.gpu.transferFromHost3d(1, 1, { box, offset, stride }));
      const expected = new Uint32Array(target.length / 4).fill(untouched);
      for (let y = 0; y < 7; y++) {
        for (let x = 0; x < 10; x++) expected[place(x, y)] = picture[(y + 3) * width + x + 2]!;
      }
      expect(target.words).toEqual(expected);
    }));

  test("the last row need not be whole", () =>
    with3d((guest) => {
      const texture = makeTexture(guest, 1, width, height);
      const picture = gradient(width, height);
      upload(guest, texture, picture);
      const target = guest.memory.allocate(offset + 6 * stride + 40);
      reattach(guest, 1, [target]);
      expectOk(guest.gpu.transferFromHost3d(1, 1, { box, offset, stride }));
      expect(target.words[place(9, 6)]).toBe(picture[9 * width + 11]!);
      expectType(
        guest.gpu.transferFromHost3d(1, 1, { box, offset: offset + 1, stride }),
        ERR_INVALID_PARAMETER,
      );
      expectType(
        guest.gpu.transferFromHost3d(1, 1, { box, offset, stride: stride + 4 }),
        ERR_INVALID_PARAMETER,
      );
    }));
});

describe("scattered backing", () => {
  for (const [name, piece] of [
    ["pages", 4096],
    ["lines of 512 bytes", 512],
    ["pieces of 37 bytes", 37],
  ] as const) {
    test(`${name} are read and written in their order`, () =>
      with3d((guest) => {
        const [w, h] = [64, 48];
        const texture = makeTexture(guest, 1, w, h);
        const picture = gradient(w, h);
        const ranges = scattered(guest, w * h * 4, piece);
        const write = reattach(guest, 1, ranges);
        write(new Uint8Array(picture.buffer));
        expectOk(guest.gpu.transferToHost3d(1, 1, { box: boxOf(texture) }));
        write(new Uint8Array(w * h * 4).fill(0xee));
        const box = rectangleBox(5, 6, 40, 30);
        expectOk(guest.gpu.transferFromHost3d(1, 1, { box, offset: (6 * w + 5) * 4 }));
        const read = new Uint32Array(guest.memory.gather(ranges).buffer);
        expectPixels(read, w, (x, y) => (inside(box, x, y) ? picture[y * w + x] : 0xeeeeeeee));
      }));
  }

  test("of a picture with its first row at the top", () =>
    with3d((guest) => {
      const texture = makeTexture(guest, 1, width, height, { flags: 1 });
      const picture = gradient(width, height);
      const ranges = scattered(guest, width * height * 4, 100);
      const write = reattach(guest, 1, ranges);
      write(new Uint8Array(picture.buffer));
      expectOk(guest.gpu.transferToHost3d(1, 1, { box: boxOf(texture) }));
      write(new Uint8Array(width * height * 4));
      expectOk(guest.gpu.transferFromHost3d(1, 1, { box: boxOf(texture) }));
      expect(guest.memory.gather(ranges)).toEqual(new Uint8Array(picture.buffer));
    }));
});

describe("levels and layers", () => {
  test("every level of a mipmap has a size and content of its own", () =>
    with3d((guest) => {
      // 20 × 12, 10 × 6, 5 × 3, 2 × 1, 1 × 1.
      const texture = makeTexture(guest, 1, 20, 12, { lastLevel: 4 });
      const sizes = [
        [20, 12],
        [10, 6],
        [5, 3],
        [2, 1],
        [1, 1],
      ] as const;
      sizes.forEach(([w, h], level) => {
        texture.pixels.set(gradient(w, h, level));
        expectOk(guest.gpu.transferToHost3d(1, 1, { box: rectangleBox(0, 0, w, h), level }));
      });
      sizes.forEach(([w, h], level) => {
        texture.pixels.fill(untouched);
        expectOk(guest.gpu.transferFromHost3d(1, 1, { box: rectangleBox(0, 0, w, h), level }));
        expect(texture.pixels.slice(0, w * h)).toEqual(gradient(w, h, level));
        expect(texture.pixels[w * h] ?? untouched).toBe(untouched);
      });
      expectType(
        guest.gpu.transferFromHost3d(1, 1, { box: rectangleBox(0, 0, 1, 1), level: 5 }),
        ERR_INVALID_PARAMETER,
      );
      expectType(
        guest.gpu.transferFromHost3d(1, 1, { box: rectangleBox(0, 0, 11, 1), level: 1 }),
        ERR_INVALID_PARAMETER,
      );
    }));

  const [layers, small] = [4, 6];
  const kinds: [string, { target: number; depth?: number; arraySize?: number }][] = [
    ["2D array", { target: virgl.Target.TEXTURE_2D_ARRAY, arraySize: layers }],
    ["3D texture", { target: virgl.Target.TEXTURE_3D, depth: layers }],
  ];
  for (const [name, extra] of kinds) {
    for (const piece of [0, 50]) {
      const backing = piece === 0 ? "contiguous" : "scattered";
      test(`layers of a ${name} with ${backing} backing, layer strides apart`, () =>
        with3d((guest) => {
          makeTexture(guest, 1, small, small, extra);
          const [stride, layerStride, offset] = [40, 300, 12];
          const bytes = offset + layers * layerStride;
          const ranges = piece === 0 ? [guest.memory.allocate(bytes)] : scattered(guest, bytes, piece);
          const write = reattach(guest, 1, ranges);
          const content = new Uint8Array(bytes).map((_, at) => (at * 31 + (at >> 8)) & 255);
          write(content);
          const all = { x: 0, y: 0, z: 0, width: small, height: small, depth: layers };
          expectOk(guest.gpu.transferToHost3d(1, 1, { box: all, offset, stride, layerStride }));

          // Layers 1 and 2 of it come back elsewhere, with the level's own strides.
          write(new Uint8Array(bytes).fill(0xee));
          const box = { x: 1, y: 2, z: 1, width: 4, height: 3, depth: 2 };
          expectOk(guest.gpu.transferFromHost3d(1, 1, { box, offset: 8 }));
          const expected = new Uint8Array(bytes).fill(0xee);
          for (let z = 0; z < 2; z++) {
            for (let y = 0; y < 3; y++) {
              const from = offset + (z + 1) * layerStride + (y + 2) * stride + 4;
              expected.set(content.subarray(from, from + 16), 8 + (z * small * small + y * small) * 4);
            }
          }
          expect(guest.memory.gather(ranges)).toEqual(expected);
        }));
    }

    test(`a box beyond the layers of a ${name} is refused`, () =>
      with3d((guest) => {
        makeTexture(guest, 1, small, small, extra);
        for (const [z, depth] of [
          [0, 5],
          [4, 1],
          [3, 2],
          [0xffff_ffff, 1],
          [1, 0xffff_ffff],
        ] as const) {
          const box = { x: 0, y: 0, z, width: 1, height: 1, depth };
          expectType(guest.gpu.transferToHost3d(1, 1, { box }), ERR_INVALID_PARAMETER);
          expectType(guest.gpu.transferFromHost3d(1, 1, { box }), ERR_INVALID_PARAMETER);
        }
        expectWorking(guest);
      }));
  }

  test("depth of a 3D texture halves with its levels", () =>
    with3d((guest) => {
      makeTexture(guest, 1, 8, 8, { target: virgl.Target.TEXTURE_3D, depth: 4, lastLevel: 2 });
      const transfer = (level: number, depth: number) =>
        guest.gpu.transferFromHost3d(1, 1, { box: { x: 0, y: 0, z: 0, width: 1, height: 1, depth }, level });
      expectOk(transfer(1, 2));
      expectType(transfer(1, 3), ERR_INVALID_PARAMETER);
      expectOk(transfer(2, 1));
      expectType(transfer(2, 2), ERR_INVALID_PARAMETER);
    }));
});

describe("several layers from the host, in a stream", () => {
  const layers = 3;
  const kinds: [string, { target: number; arraySize?: number; depth?: number }][] = [
    ["an array", { target: virgl.Target.TEXTURE_2D_ARRAY, arraySize: layers }],
    ["a 3D texture", { target: virgl.Target.TEXTURE_3D, depth: layers }],
  ];
  const content = gradient(width, height * layers);
  const bytes = content.byteLength;

  for (const [name, shape] of kinds) {
    test(`of ${name} come one by one, with what is before and behind them`, () =>
      with3d((guest) => {
        const texture = makeTexture(guest, 1, width, height, shape);
        upload(guest, texture, content);
        const flat = makeTexture(guest, 2, 8, 8);
        texture.pixels.fill(untouched);
        draw(guest, (stream) => {
          clearTo(stream, flat, [1, 2, 3, 4]);
          virgl.transfer3d(stream, "from-host", { resourceId: 1, box: boxOf(texture) });
          virgl.transfer3d(stream, "from-host", { resourceId: 2, box: boxOf(flat) });
        });
        expect(texture.pixels.slice()).toEqual(content);
        expect(flat.pixels.every((pixel) => pixel === bgra(1, 2, 3, 4))).toBe(true);
      }));

    test(`of ${name} go to scattered pieces of another's backing, from a layer on, and give away nothing else`, () =>
      with3d((guest) => {
        upload(guest, makeTexture(guest, 1, width, height, shape), content);
        const pieces = scattered(guest, bytes, 1000);
        expectOk(
          guest.gpu.createResource3d({
            resourceId: 2,
            target: virgl.Target.BUFFER,
            format: virgl.VirglFormat.R8_UNORM,
            bind: virgl.Bind.STAGING,
            width: bytes,
          }),
        );
        expectOk(guest.gpu.attachResource(1, 2));
        expectOk(guest.gpu.attachBacking(2, pieces));
        guest.memory.scatter(new Uint8Array(bytes).fill(0xee), pieces);
        const layer = width * height;
        const box = { x: 0, y: 0, z: 1, width, height, depth: 2 };
        draw(guest, (stream) =>
          virgl.copyTransfer3d(stream, "from-host", { resourceId: 1, box, stride: width * 4 }, 2),
        );
        const got = new Uint32Array(guest.memory.gather(pieces).buffer);
        expect(got.slice(0, 2 * layer)).toEqual(content.slice(layer));
        expect(got.slice(2 * layer).every((word) => word === 0xeeee_eeee)).toBe(true);
      }));
  }
});

describe("buffers", () => {
  test("bytes go from and to any place, through any offset", () =>
    with3d((guest) => {
      const content = Uint8Array.from({ length: 1000 }, (_, at) => (at * 7) & 255);
      const backing = makeBuffer(guest, 1, virgl.Bind.VERTEX_BUFFER, content);
      backing.bytes.fill(0xee);
      expectOk(guest.gpu.transferFromHost3d(1, 1, { box: rangeBox(333, 101), offset: 13 }));
      const expected = new Uint8Array(1000).fill(0xee);
      expected.set(content.subarray(333, 434), 13);
      expect(backing.bytes).toEqual(expected);
      backing.bytes.set([1, 2, 3, 4, 5], 995);
      expectOk(guest.gpu.transferToHost3d(1, 1, { box: rangeBox(0, 5), offset: 995 }));
      expectOk(guest.gpu.transferFromHost3d(1, 1, { box: rangeBox(0, 10) }));
      expect([...backing.bytes.subarray(0, 10)]).toEqual([1, 2, 3, 4, 5, ...content.subarray(5, 10)]);
    }));

  test("scattered backing of a buffer is read and written in its order", () =>
    with3d((guest) => {
      const content = Uint8Array.from({ length: 1000 }, (_, at) => (at * 11) & 255);
      makeBuffer(guest, 1, virgl.Bind.INDEX_BUFFER, new Uint8Array(1000));
      const ranges = scattered(guest, 1000, 91);
      const write = reattach(guest, 1, ranges);
      write(content);
      expectOk(guest.gpu.transferToHost3d(1, 1, { box: rangeBox(0, 1000) }));
      write(new Uint8Array(1000));
      expectOk(guest.gpu.transferFromHost3d(1, 1, { box: rangeBox(0, 1000) }));
      expect(guest.memory.gather(ranges)).toEqual(content);
    }));

  test("beyond the buffer or its backing is refused", () =>
    with3d((guest) => {
      makeBuffer(guest, 1, virgl.Bind.VERTEX_BUFFER, new Uint8Array(100));
      for (const transfer of [
        { box: rangeBox(0, 101) },
        { box: rangeBox(100, 1) },
        { box: rangeBox(0xffff_ffff, 2) },
        { box: rangeBox(0, 100), offset: 1 },
        { box: rangeBox(0, 1), offset: 2n ** 64n - 1n },
        { box: { ...rangeBox(0, 1), height: 2 } },
        { box: { ...rangeBox(0, 1), y: 1 } },
        { box: { ...rangeBox(0, 1), z: 1 } },
        { box: rangeBox(0, 1), level: 1 },
      ]) {
        expectType(guest.gpu.transferToHost3d(1, 1, transfer), ERR_INVALID_PARAMETER);
        expectType(guest.gpu.transferFromHost3d(1, 1, transfer), ERR_INVALID_PARAMETER);
      }
    }));
});

describe("refusals", () => {
  const outside: [string, Transfer][] = [
    ["beyond the right edge", { box: rectangleBox(1, 0, width, 1) }],
    ["beyond the bottom", { box: rectangleBox(0, 1, 1, height) }],
    ["wrapping x", { box: rectangleBox(0xffff_fff0, 0, 0x20, 1) }],
    ["wrapping y", { box: rectangleBox(0, 0xffff_fff0, 1, 0x20) }],
    [
      "of all ones",
      {
        box: {
          x: 2 ** 32 - 1,
          y: 2 ** 32 - 1,
          z: 2 ** 32 - 1,
          width: 2 ** 32 - 1,
          height: 2 ** 32 - 1,
          depth: 2 ** 32 - 1,
        },
      },
    ],
    ["of a second layer", { box: rectangleBox(0, 0, 1, 1, 1) }],
    ["of negative depth", { box: { ...rectangleBox(0, 0, 1, 1), depth: 0xffff_ffff } }],
    ["of a level that is not there", { box: rectangleBox(0, 0, 1, 1), level: 1 }],
    ["of level 2³²−1", { box: rectangleBox(0, 0, 1, 1), level: 0xffff_ffff }],
    ["with a stride shorter than its rows", { box: rectangleBox(0, 0, 4, 2), stride: 12 }],
    ["with a stride of no whole pixels", { box: rectangleBox(0, 0, 4, 2), stride: 18 }],
    [
      "with a layer stride shorter than its layers",
      { box: rectangleBox(0, 0, 4, 4), stride: 16, layerStride: 63 },
    ],
    ["with rows beyond the backing", { box: rectangleBox(0, 0, 4, height), stride: width * 4 + 8 }],
    ["with a stride that wraps", { box: rectangleBox(0, 0, 4, 5), stride: 0x4000_0000 }],
    ["beyond the end of its backing", { box: rectangleBox(0, 0, width, height), offset: 4 }],
    ["from an offset that wraps", { box: rectangleBox(0, 0, width, height), offset: 2n ** 64n - 4n }],
    ["from an offset of 2⁵³", { box: rectangleBox(0, 0, 1, 1), offset: 2n ** 53n }],
  ];
  for (const [name, transfer] of outside) {
    test(`a transfer ${name} returns ERR_INVALID_PARAMETER and costs no context`, () =>
      with3d((guest) => {
        const texture = makeTexture(guest, 1, width, height);
        const picture = gradient(width, height);
        upload(guest, texture, picture);
        texture.pixels.fill(untouched);
        for (const context of [0, 1]) {
          expectType(guest.gpu.transferToHost3d(context, 1, transfer), ERR_INVALID_PARAMETER);
          expectType(guest.gpu.transferFromHost3d(context, 1, transfer), ERR_INVALID_PARAMETER);
        }
        expect(texture.pixels).toEqual(new Uint32Array(width * height).fill(untouched));
        expect(download(guest, texture)).toEqual(picture);
        draw(guest, (stream) => clearTo(stream, texture, [1, 2, 3, 4]));
        expect(download(guest, texture)[0]).toBe(bgra(1, 2, 3, 4));
      }));
  }

  test("unknown resources, and resources that are not the context's", () =>
    with3d((guest) => {
      const { gpu } = guest;
      makeTexture(guest, 1, width, height, {}, []);
      const transfer = { box: rectangleBox(0, 0, 1, 1) };
      for (const call of [gpu.transferToHost3d, gpu.transferFromHost3d]) {
        expectType(call.call(gpu, 1, 9, transfer), ERR_INVALID_RESOURCE_ID);
        expectType(call.call(gpu, 0, 9, transfer), ERR_INVALID_RESOURCE_ID);
        expectType(call.call(gpu, 0, 0, transfer), ERR_INVALID_RESOURCE_ID);
        expectType(call.call(gpu, 1, 1, transfer), ERR_INVALID_RESOURCE_ID);
        // Context 0 reaches every resource.
        expectOk(call.call(gpu, 0, 1, transfer));
      }
    }));

  test("a resource without backing returns ERR_UNSPEC", () =>
    with3d((guest) => {
      const { gpu } = guest;
      makeTexture(guest, 1, width, height);
      expectOk(gpu.detachBacking(1));
      for (const context of [0, 1]) {
        expectType(gpu.transferToHost3d(context, 1, { box: rectangleBox(0, 0, 1, 1) }), ERR_UNSPEC);
        expectType(gpu.transferFromHost3d(context, 1, { box: rectangleBox(0, 0, 1, 1) }), ERR_UNSPEC);
      }
    }));

  test("a 2D resource that no context has returns ERR_INVALID_PARAMETER", () =>
    with3d(({ gpu }) => {
      gpu.createImage(1, virgl.VirglFormat.B8G8R8X8_UNORM, width, height);
      expectType(gpu.transferToHost3d(0, 1, { box: rectangleBox(0, 0, 1, 1) }), ERR_INVALID_PARAMETER);
    }));

  test("a resource that was never written has no bytes of anybody else", () =>
    with3d((guest) => {
      const texture = makeTexture(guest, 1, 256, 256, { bind: pictureBind });
      expect(download(guest, texture)).toEqual(new Uint32Array(256 * 256));
      const bytes = guest.memory.allocate(65536);
      const { BUFFER } = virgl.Target;
      const bind = virgl.Bind.VERTEX_BUFFER;
      const format = virgl.VirglFormat.R8_UNORM;
      expectOk(guest.gpu.createResource3d({ resourceId: 2, target: BUFFER, format, bind, width: 65536 }));
      expectOk(guest.gpu.attachBacking(2, [bytes]));
      bytes.bytes.fill(0xee);
      expectOk(guest.gpu.transferFromHost3d(0, 2, { box: rangeBox(0, 65536) }));
      expect(bytes.bytes).toEqual(new Uint8Array(65536));
    }));
});

const inside = (box: Box, x: number, y: number): boolean =>
  x >= box.x && y >= box.y && x < box.x + box.width && y < box.y + box.height;

/** Gives a resource other backing; answers what writes into that. */
function reattach(
  guest: SyntheticGuest,
  resourceId: number,
  ranges: readonly GuestRange[],
): (content: Uint8Array) => void {
  expectOk(guest.gpu.detachBacking(resourceId));
  expectOk(guest.gpu.attachBacking(resourceId, ranges));
  return (content) => guest.memory.scatter(content, ranges);
}
