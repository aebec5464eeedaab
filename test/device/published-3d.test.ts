// What has been published against virglrenderer, named by its id: a stream costs its context at most.

import { describe, expect, test } from "bun:test";
import type { SyntheticGuest } from "../../lab/driver/synthetic-guest.ts";
import * as virgl from "../../lab/driver/virgl/index.ts";
import { Response } from "../../src/transport/wire/virtio-gpu/protocol.ts";
import {
  bgra,
  boxOf,
  clearTo,
  download,
  draw,
  makeContext,
  makeTexture,
  patient,
  pictureBind,
  rectangleBox,
  run,
  virglServer,
} from "./3d-support.ts";
import { expectOk, expectType, serveTests } from "./support.ts";

const { B8G8R8A8_UNORM } = virgl.VirglFormat;
const { ERR_INVALID_PARAMETER, ERR_OUT_OF_MEMORY } = Response;
const size = { width: 8, height: 8, layers: 1 };
const side: virgl.BlitSide = { resourceId: 1, format: B8G8R8A8_UNORM, box: boxOf(size) };
const big = 0x7fff_ffff;

/** VIRGL_CCMD_LAUNCH_GRID, which no scene of ours has. */
const launchGridCommand = 37;

/** Draws by a compute shader that nobody has bound. */
function launchGrid(stream: virgl.CommandStream, ...indirect: [handle: number, offset: number]): void {
  stream.begin(launchGridCommand);
  for (const word of [1, 1, 1, 1, 1, 1, ...indirect]) stream.word(word);
  stream.end();
}

const inlineWrite =
  (box: Partial<typeof side.box>, bytes: number, more: { stride?: number; level?: number } = {}) =>
  (stream: virgl.CommandStream): void =>
    virgl.resourceInlineWrite(
      stream,
      { resourceId: 1, box: { ...side.box, ...box }, ...more },
      new Uint8Array(bytes),
    );

const blit =
  (from: Partial<typeof side>, to: Partial<typeof side> = {}) =>
  (stream: virgl.CommandStream): void =>
    virgl.blit(stream, { ...side, ...to }, { ...side, ...from });

/** Null: the library takes it with success, and nothing comes of it. */
const streams: [
  id: string,
  what: string,
  code: number | null,
  write: (stream: virgl.CommandStream) => void,
][] = [
  [
    "CVE-2019-18388",
    "a surface of no resource",
    ERR_INVALID_PARAMETER,
    (stream) => virgl.createSurface(stream, 1, { resourceId: 0, format: B8G8R8A8_UNORM }),
  ],
  [
    "CVE-2019-18389",
    "an inline write with less data than its box",
    ERR_INVALID_PARAMETER,
    inlineWrite({}, 4),
  ],
  [
    "CVE-2019-18389",
    "an inline write of a box beyond its resource",
    ERR_INVALID_PARAMETER,
    inlineWrite({ width: 4096 }, 256),
  ],
  [
    "CVE-2019-18389",
    "an inline write of a box that wraps",
    ERR_INVALID_PARAMETER,
    inlineWrite({ x: -8 >>> 0, width: 16 }, 512),
  ],
  [
    "CVE-2019-18391",
    "an inline write with a huge stride",
    ERR_INVALID_PARAMETER,
    inlineWrite({}, 256, { stride: 0x4000_0000 }),
  ],
  [
    "CVE-2019-18391",
    "an inline write of a huge box",
    ERR_INVALID_PARAMETER,
    inlineWrite({ width: big, height: big }, 256),
  ],
  [
    "CVE-2019-18391",
    "an inline write of a level that there is not",
    ERR_INVALID_PARAMETER,
    inlineWrite({}, 256, { level: 99 }),
  ],
  ["CVE-2019-18390", "a blit from a format that there is not", null, blit({ format: 400 })],
  ["CVE-2019-18390", "a blit from a format of all ones", null, blit({ format: 0xffff_ffff })],
  ["CVE-2019-18390", "a blit to a format of all ones", null, blit({}, { format: 0xffff_ffff })],
  ["CVE-2019-18390", "a blit from a resource that there is not", null, blit({ resourceId: 99 })],
  ["CVE-2020-8002", "a grid without a compute shader", null, (stream) => launchGrid(stream, 0, 0)],
  ["CVE-2020-8002", "a grid from a buffer that there is not", null, (stream) => launchGrid(stream, 99, 0)],
  [
    "CVE-2022-0135",
    "a transfer of more layers than there are",
    ERR_INVALID_PARAMETER,
    (stream) =>
      virgl.transfer3d(stream, "to-host", { resourceId: 1, box: { ...side.box, z: 1, depth: 1 << 20 } }),
  ],
];

/** A context that a row may have, and another's picture. */
function begin(guest: SyntheticGuest) {
  makeContext(guest);
  makeContext(guest, 2);
  makeTexture(guest, 1, 8, 8);
  const other = makeTexture(guest, 2, 8, 8, {}, [2]);
  draw(guest, (stream) => clearTo(stream, other, [1, 2, 3, 4]), 2);
  return other;
}

describe("a stream costs no more than its context:", () => {
  const { withDevice } = serveTests(...virglServer);

  test.each(streams)("%s: %s", (_id, _what, code, write) =>
    withDevice(patient, (guest) => {
      const other = begin(guest);
      const result = run(guest, write);
      if (code !== null) {
        expectType(result, code);
        expectType(guest.gpu.submit3d(1, new Uint8Array(4)), Response.ERR_UNSPEC);
      }
      expect(download(guest, other)).toEqual(new Uint32Array(64).fill(bgra(1, 2, 3, 4)));
      draw(guest, (stream) => clearTo(stream, other, [5, 6, 7, 8]), 2);
      expect(download(guest, other)).toEqual(new Uint32Array(64).fill(bgra(5, 6, 7, 8)));
      expectOk(guest.gpu.destroyContext(1));
      makeContext(guest);
      draw(guest, (stream) => virgl.clear(stream, 0, [0, 0, 0, 0]));
    }),
  );
});

describe("what the library lacks room for, or did not free:", () => {
  const { withDevice, server } = serveTests(...virglServer);

  test("CVE-2020-8003: a texture that cannot be allocated is freed once, and its id is free", () =>
    withDevice(patient, (guest) => {
      const other = begin(guest);
      const good = { target: virgl.Target.TEXTURE_2D, format: B8G8R8A8_UNORM, bind: pictureBind };
      for (const [fields, code] of [
        [{ width: big, height: big }, ERR_OUT_OF_MEMORY],
        [{ width: 65_536, height: 1 }, ERR_INVALID_PARAMETER],
        [{ width: 8, height: 8, samples: 0xffff_ffff }, ERR_OUT_OF_MEMORY],
      ] as const) {
        for (let round = 0; round < 3; round++) {
          expectType(guest.gpu.createResource3d({ ...good, resourceId: 3, ...fields }), code);
        }
      }
      expectOk(guest.gpu.createResource3d({ ...good, resourceId: 3, width: 8, height: 8 }));
      expectOk(guest.gpu.unrefResource(3));
      expect(download(guest, other)).toEqual(new Uint32Array(64).fill(bgra(1, 2, 3, 4)));
    }));

  test("CVE-2022-0175: a resource that nobody has written gives away nothing", () =>
    withDevice(patient, (guest) => {
      makeContext(guest);
      for (let round = 0; round < 20; round++) {
        const fresh = makeTexture(guest, 1, 64, 64);
        expect(download(guest, fresh)).toEqual(new Uint32Array(64 * 64));
        draw(guest, (stream) => clearTo(stream, fresh, [9, 9, 9, 9]));
        expectOk(guest.gpu.unrefResource(1));
      }
    }));

  test("CVE-2016-10163, CVE-2017-5580, -5937, -5956, -5957, -5993, -5994, -6209, -6210, -6317, -6355, -6386: nothing leaks", () =>
    withDevice(patient, (guest) => {
      const { gpu } = guest;
      const backing = guest.memory.allocate(256 * 256 * 4);
      const description = { target: virgl.Target.TEXTURE_2D, format: B8G8R8A8_UNORM, bind: pictureBind };
      const life = (): void => {
        makeContext(guest, 3);
        expectOk(gpu.createResource3d({ ...description, resourceId: 7, width: 256, height: 256 }));
        expectOk(gpu.attachResource(3, 7));
        expectOk(gpu.attachBacking(7, [backing]));
        expectType(gpu.attachBacking(7, [backing]), Response.ERR_UNSPEC);
        draw(guest, (stream) => clearTo(stream, { resourceId: 7, format: B8G8R8A8_UNORM }, [1, 2, 3, 4]), 3);
        run(guest, (stream) => virgl.createShader(stream, 9, virgl.ShaderType.VERTEX, "VERT\nNO SUCH\n"), 3);
        expectOk(gpu.transferFromHost3d(0, 7, { box: rectangleBox(0, 0, 256, 256) }));
        // With its backing and context, and then without: both ends let go of all.
        expectOk(gpu.unrefResource(7));
        expectOk(gpu.destroyContext(3));
      };
      for (let round = 0; round < 60; round++) life();
      const before = server().usage();
      for (let round = 0; round < 240; round++) life();
      const after = server().usage();
      expect(after.fds).toBeLessThan(before.fds + 8);
      // A picture a life would be 60 MiB, a context of GL's more.
      expect(after.residentBytes - before.residentBytes).toBeLessThan(48 * 2 ** 20);
    }));
});
