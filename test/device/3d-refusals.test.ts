// What a driver may not do in 3D, with the error codes of docs/lifecycles.md; capability sets; and that a context which is
// lost takes nothing else with it.

import { describe, expect, test } from "bun:test";
import { untouched } from "../../lab/driver/command-queue.ts";
import * as commands from "../../lab/driver/commands.ts";
import * as commands3d from "../../lab/driver/commands-3d.ts";
import type { SyntheticGuest } from "../../lab/driver/synthetic-guest.ts";
import * as virgl from "../../lab/driver/virgl/index.ts";
import { Capset, ConfigSpace, Feature, Response } from "../../src/transport/wire/virtio-gpu/protocol.ts";
import { expectOk, expectType, expectWorking, serveTests } from "./support.ts";
import { limitsAreTold, limitTest } from "../support/limit-test.ts";
import {
  bgra,
  clearTo,
  download,
  draw,
  makeBuffer,
  makeContext,
  makeTexture,
  patient,
  pictureBind,
  rectangleBox,
  run,
  type Texture,
  virglServer,
} from "./3d-support.ts";

const storageBytesMax = 2 ** 28;
const contextsMax = 20;
const limits = ["--storage-bytes-max", String(storageBytesMax), "--contexts-max", String(contextsMax)];
const { server, withDevice, expectServing } = serveTests(...virglServer, ...limits);
limitsAreTold(() => server().log());
const {
  ERR_INVALID_CONTEXT_ID,
  ERR_INVALID_PARAMETER,
  ERR_INVALID_RESOURCE_ID,
  ERR_OUT_OF_MEMORY,
  ERR_UNSPEC,
  OK_CAPSET,
  OK_CAPSET_INFO,
} = Response;
const { BUFFER, TEXTURE_2D, TEXTURE_2D_ARRAY, TEXTURE_3D } = virgl.Target;
const { B8G8R8A8_UNORM, R8_UNORM } = virgl.VirglFormat;
const onePixel = { box: rectangleBox(0, 0, 1, 1) };
const nothing = new Uint8Array(0);
const noOperation = Uint8Array.of(0, 0, 0, 0);

test("buffers that stay mapped are not promised, since their memory cannot be mapped into a guest", () =>
  withDevice(patient, ({ gpu }) => {
    const { maxVersion, maxSize } = gpu.getCapsetInfo(1).capset;
    const { bytes } = gpu.getCapset(Capset.VIRGL2, maxVersion, maxSize);
    const capabilityBits = new DataView(bytes.slice(24).buffer).getUint32(392, true);
    // VIRGL_CAP_TRANSFER and VIRGL_CAP_ARB_BUFFER_STORAGE
    expect((capabilityBits & 0x2_0000) !== 0).toBe(true);
    expect((capabilityBits & 0x8000_0000) !== 0).toBe(false);
  }));

describe("without VIRGL", () => {
  test("the server offers it", () =>
    withDevice(patient, (guest) => expect(guest.has(Feature.VIRGL)).toBe(true)));

  const requests: [string, DataView][] = [
    ["ctx_create", commands3d.createContext(1)],
    ["ctx_destroy", commands3d.destroyContext(1)],
    ["ctx_attach_resource", commands3d.attachResource(1, 1)],
    ["ctx_detach_resource", commands3d.detachResource(1, 1)],
    [
      "resource_create_3d",
      commands3d.createResource3d({
        resourceId: 5,
        target: TEXTURE_2D,
        format: B8G8R8A8_UNORM,
        bind: pictureBind,
        width: 8,
        height: 8,
      }),
    ],
    ["transfer_to_host_3d", commands3d.transferToHost3d(0, 1, onePixel)],
    ["transfer_from_host_3d", commands3d.transferFromHost3d(0, 1, onePixel)],
    ["submit_3d", commands3d.submit3d(1, noOperation)],
  ];
  for (const [name, request] of requests) {
    test(`${name} returns ERR_UNSPEC`, () =>
      withDevice({ ...patient, gpuFeatures: [Feature.EDID] }, (guest) => {
        guest.gpu.createImage(1, 1, 8, 8);
        expectType(guest.control.call(request), ERR_UNSPEC);
        expectWorking(guest);
      }));
  }

  test("there are no capsets", () =>
    withDevice({ ...patient, gpuFeatures: [] }, ({ gpu }) => {
      expectType(gpu.getCapsetInfo(0), ERR_INVALID_PARAMETER);
      expectType(gpu.getCapset(Capset.VIRGL, 1), ERR_INVALID_PARAMETER);
    }));
});

describe("capability sets", () => {
  test("the configuration counts them, and each index names one", () =>
    withDevice(patient, ({ gpu, config }) => {
      expect(new DataView(config.buffer as ArrayBuffer).getUint32(ConfigSpace.capsetCount, true)).toBe(2);
      [Capset.VIRGL, Capset.VIRGL2].forEach((id, index) => {
        const result = gpu.getCapsetInfo(index);
        expectType(result, OK_CAPSET_INFO);
        expect(result.length).toBe(40);
        expect(result.capset).toEqual({ id, maxVersion: id, maxSize: expect.any(Number) });
      });
      // struct virgl_caps_v1 never grows; version 2 begins with it.
      expect(gpu.getCapsetInfo(0).capset.maxSize).toBe(308);
      expect(gpu.getCapsetInfo(1).capset.maxSize).toBeGreaterThan(308);
      for (const index of [2, 3, 0xffff_ffff]) expectType(gpu.getCapsetInfo(index), ERR_INVALID_PARAMETER);
    }));

  test("each is as long as announced, in every version, and what is behind it stays", () =>
    withDevice(patient, ({ gpu }) => {
      for (const index of [0, 1]) {
        const { id, maxVersion, maxSize } = gpu.getCapsetInfo(index).capset;
        for (let version = 1; version <= maxVersion; version++) {
          const result = gpu.getCapset(id, version, maxSize + 100);
          expectType(result, OK_CAPSET);
          expect(result.length).toBe(24 + maxSize);
          expect(result.bytes.slice(result.length).every((byte) => byte === untouched)).toBe(true);
          const supported = new DataView(result.capset.slice().buffer).getUint32(4, true);
          // B8G8R8A8 and B8G8R8X8 can be sampled.
          expect(supported & 0b110).toBe(0b110);
        }
      }
    }));

  test("VIRGL2 names the GL driver", () =>
    withDevice(patient, ({ gpu }) => {
      const { maxVersion, maxSize } = gpu.getCapsetInfo(1).capset;
      expect(virgl.rendererName(gpu.getCapset(Capset.VIRGL2, maxVersion, maxSize).capset)).toMatch(
        /^[ -~]+$/,
      );
    }));

  for (const [id, version] of [
    [0, 0],
    [0, 1],
    [Capset.VIRGL, 2],
    [Capset.VIRGL2, 3],
    [3, 0],
    [4, 0],
    [5, 0],
    [6, 0],
    [63, 1],
    [0xffff_ffff, 1],
    [Capset.VIRGL2, 0xffff_ffff],
  ] as const) {
    test(`id ${id} in version ${version} returns ERR_INVALID_PARAMETER`, () =>
      withDevice(patient, ({ gpu }) => {
        const result = gpu.getCapset(id, version);
        expectType(result, ERR_INVALID_PARAMETER);
        expect(result.length).toBe(24);
      }));
  }

  for (const room of [0, 8, 23, 24, 25, 331]) {
    test(`into ${room} bytes is never overrun`, () =>
      withDevice(patient, (guest) => {
        const request = commands.getCapset(Capset.VIRGL, 1);
        const result = guest.control.call(request, { responseBytes: room });
        expect(result.length).toBeLessThanOrEqual(room);
        expect(result.bytes.slice(result.length).every((byte) => byte === untouched)).toBe(true);
        expectWorking(guest);
      }));
  }
});

describe("contexts", () => {
  test("id 0 is the device's own", () =>
    withDevice(patient, ({ gpu }) => {
      expectType(gpu.createContext(0), ERR_INVALID_CONTEXT_ID);
      expectType(gpu.destroyContext(0), ERR_INVALID_CONTEXT_ID);
      expectType(gpu.submit3d(0, noOperation), ERR_INVALID_CONTEXT_ID);
      expectType(gpu.attachResource(0, 1), ERR_INVALID_CONTEXT_ID);
    }));

  test("an id exists once, until it is destroyed", () =>
    withDevice(patient, ({ gpu }) => {
      for (const id of [1, 77, 0x7fff_ffff]) {
        expectType(gpu.destroyContext(id), ERR_INVALID_CONTEXT_ID);
        expectOk(gpu.createContext(id, "one"));
        expectType(gpu.createContext(id, "two"), ERR_INVALID_CONTEXT_ID);
        expectOk(gpu.submit3d(id, noOperation));
        expectOk(gpu.destroyContext(id));
        expectType(gpu.destroyContext(id), ERR_INVALID_CONTEXT_ID);
        expectType(gpu.submit3d(id, noOperation), ERR_INVALID_CONTEXT_ID);
        expectOk(gpu.createContext(id));
      }
    }));

  test("names of any length and claim are taken", () =>
    withDevice(patient, ({ control, gpu }) => {
      const names: [string, number | undefined][] = [
        ["", 0],
        ["x".repeat(64), undefined],
        ["ü€\u0000😀", undefined],
        ["abc", 0xffff_ffff],
      ];
      names.forEach(([name, length], at) => {
        expectOk(control.call(commands3d.createContext(at + 1, name, 0, {}, length)));
        expectOk(gpu.submit3d(at + 1, noOperation));
      });
    }));

  test("context_init names a capset where CONTEXT_INIT was negotiated", () =>
    withDevice({ ...patient, gpuFeatures: [Feature.VIRGL, Feature.CONTEXT_INIT] }, (guest) => {
      const { gpu } = guest;
      expect(guest.has(Feature.CONTEXT_INIT)).toBe(true);
      [0, Capset.VIRGL, Capset.VIRGL2].forEach((capset, at) => {
        expectOk(gpu.createContext(at + 1, "", capset));
        expectOk(gpu.submit3d(at + 1, noOperation));
      });
      for (const capset of [3, 4, 5, 6, 255])
        expectType(gpu.createContext(9, "", capset), ERR_INVALID_PARAMETER);
      expectOk(gpu.createContext(9));
    }));

  test("context_init means nothing otherwise", () =>
    withDevice(patient, ({ gpu }) => expectOk(gpu.createContext(1, "", 0xffff_ffff))));

  limitTest(
    "contextsMax",
    "one too many is ERR_OUT_OF_MEMORY, which leaves the others be, and mends when one goes",
    () =>
      withDevice(patient, ({ gpu }) => {
        for (let id = 1; id <= contextsMax; id++) expectOk(gpu.createContext(id));
        expectType(gpu.createContext(contextsMax + 1), ERR_OUT_OF_MEMORY);
        for (let id = 1; id <= contextsMax; id++) expectOk(gpu.submit3d(id, new Uint8Array(0)));
        expectOk(gpu.destroyContext(1));
        expectOk(gpu.createContext(contextsMax + 1));
      }),
  );
});

describe("attaching", () => {
  test("unknown contexts and resources", () =>
    withDevice(patient, (guest) => {
      const { gpu } = guest;
      makeContext(guest);
      makeTexture(guest, 1, 8, 8, {}, []);
      for (const id of [2, 0xffff_ffff]) {
        expectType(gpu.attachResource(id, 1), ERR_INVALID_CONTEXT_ID);
        expectType(gpu.detachResource(id, 1), ERR_INVALID_CONTEXT_ID);
      }
      for (const id of [0, 2, 0xffff_ffff]) {
        expectType(gpu.attachResource(1, id), ERR_INVALID_RESOURCE_ID);
        expectType(gpu.detachResource(1, id), ERR_INVALID_RESOURCE_ID);
      }
    }));

  test("twice is once, and detaching what is not attached returns ERR_INVALID_RESOURCE_ID", () =>
    withDevice(patient, (guest) => {
      const { gpu } = guest;
      makeContext(guest);
      makeContext(guest, 2);
      makeTexture(guest, 1, 8, 8, {}, []);
      expectType(gpu.detachResource(1, 1), ERR_INVALID_RESOURCE_ID);
      expectOk(gpu.attachResource(1, 1));
      expectOk(gpu.attachResource(1, 1));
      expectType(gpu.detachResource(2, 1), ERR_INVALID_RESOURCE_ID);
      expectOk(gpu.detachResource(1, 1));
      expectType(gpu.detachResource(1, 1), ERR_INVALID_RESOURCE_ID);
      // Of a 2D resource that no context ever had, too.
      gpu.createImage(2, 1, 8, 8);
      expectType(gpu.detachResource(1, 2), ERR_INVALID_RESOURCE_ID);
    }));

  test("unreferencing a resource detaches it everywhere", () =>
    withDevice(patient, (guest) => {
      const { gpu } = guest;
      makeContext(guest);
      makeContext(guest, 2);
      makeTexture(guest, 1, 8, 8, {}, [1, 2]);
      expectOk(gpu.unrefResource(1));
      expectType(gpu.detachResource(1, 1), ERR_INVALID_RESOURCE_ID);
      // The id's next resource is attached nowhere.
      makeTexture(guest, 1, 8, 8, {}, []);
      expectType(gpu.detachResource(2, 1), ERR_INVALID_RESOURCE_ID);
      expectType(gpu.transferToHost3d(1, 1, onePixel), ERR_INVALID_RESOURCE_ID);
    }));

  test("a stream that names a detached resource costs its context", () =>
    withDevice(patient, (guest) => {
      makeContext(guest);
      const texture = makeTexture(guest, 1, 8, 8);
      draw(guest, (stream) => clearTo(stream, texture, [1, 2, 3, 4]));
      expectOk(guest.gpu.detachResource(1, 1));
      expectType(
        run(guest, (stream) => clearTo(stream, texture, [9, 9, 9, 9])),
        ERR_INVALID_PARAMETER,
      );
      expect(download(guest, texture)).toEqual(new Uint32Array(64).fill(bgra(1, 2, 3, 4)));
    }));

  test("a context is destroyed with what is attached to it, which lives on", () =>
    withDevice(patient, (guest) => {
      makeContext(guest);
      makeContext(guest, 2);
      const texture = makeTexture(guest, 1, 8, 8, {}, [1, 2]);
      draw(guest, (stream) => clearTo(stream, texture, [1, 2, 3, 4]));
      expectOk(guest.gpu.destroyContext(1));
      expect(download(guest, texture)).toEqual(new Uint32Array(64).fill(bgra(1, 2, 3, 4)));
      draw(guest, (stream) => clearTo(stream, texture, [5, 6, 7, 8]), 2);
      expect(download(guest, texture)).toEqual(new Uint32Array(64).fill(bgra(5, 6, 7, 8)));
      makeContext(guest, 1);
      expectType(guest.gpu.detachResource(1, 1), ERR_INVALID_RESOURCE_ID);
    }));
});

describe("RESOURCE_CREATE_3D", () => {
  const good = {
    resourceId: 1,
    target: TEXTURE_2D,
    format: B8G8R8A8_UNORM,
    bind: pictureBind,
    width: 8,
    height: 8,
  };
  const buffer = { target: BUFFER, format: R8_UNORM, bind: virgl.Bind.VERTEX_BUFFER, height: 1 };
  const bad: [string, Partial<commands3d.Resource3d>][] = [
    ["no format", { format: 0 }],
    ["a format that there is not", { format: 400 }],
    ["a format of all ones", { format: 0xffff_ffff }],
    ["a target that there is not", { target: 9 }],
    ["a target of all ones", { target: 0xffff_ffff }],
    ["a width of all ones", { width: 0xffff_ffff }],
    ["no width", { width: 0 }],
    ["no height", { height: 0 }],
    ["no depth", { depth: 0 }],
    ["no layers", { arraySize: 0 }],
    ["no use", { bind: 0 }],
    ["a use that there is not", { bind: 1 << 31 }],
    ["layers, but no array", { arraySize: 2 }],
    ["depth, but not 3D", { depth: 2 }],
    ["more levels than it can have", { lastLevel: 4 }],
    ["levels of all ones", { lastLevel: 0xffff_ffff }],
    ["a buffer with levels", { ...buffer, lastLevel: 1 }],
    ["a buffer with rows", { ...buffer, height: 2 }],
    ["a flag that there is not", { flags: 1 << 31 }],
    ["its first row at the top, but not 2D", { target: TEXTURE_2D_ARRAY, arraySize: 2, flags: 1 }],
    ["larger than GL's limit", { width: 65_536, height: 1 }],
  ];
  for (const [name, fields] of bad) {
    test(`with ${name} returns ERR_INVALID_PARAMETER and leaves the id free`, () =>
      withDevice(patient, (guest) => {
        expectType(guest.gpu.createResource3d({ ...good, ...fields }), ERR_INVALID_PARAMETER);
        expectOk(guest.gpu.createResource3d(good));
        expectWorking(guest);
      }));
  }

  const huge: [string, Partial<commands3d.Resource3d>][] = [
    ["2³¹ pixels in a row", { width: 0x7fff_ffff, height: 1 }],
    ["2⁶² pixels", { width: 0x7fff_ffff, height: 0x7fff_ffff }],
    ["more layers than memory", { target: TEXTURE_2D_ARRAY, width: 8192, height: 1024, arraySize: 9 }],
    ["more depth than memory", { target: TEXTURE_3D, width: 512, height: 512, depth: 257 }],
    [
      "rows of one pixel, which drivers pad",
      { width: 1, height: 16_384, target: TEXTURE_2D_ARRAY, arraySize: 257 },
    ],
    [
      "layers of one pixel, which drivers pad",
      { target: TEXTURE_2D_ARRAY, width: 1, height: 1, arraySize: 2 ** 20 + 1 },
    ],
    ["more samples than memory", { samples: 0xffff_ffff }],
    ["levels beyond memory", { width: 8192, height: 8192, lastLevel: 1 }],
    ["a buffer one byte too long", { ...buffer, width: storageBytesMax + 1, height: 1 }],
  ];
  for (const [name, fields] of huge) {
    test(`of ${name} returns ERR_OUT_OF_MEMORY and leaves the id free`, () =>
      withDevice(patient, (guest) => {
        expectType(guest.gpu.createResource3d({ ...good, ...fields }), ERR_OUT_OF_MEMORY);
        expectOk(guest.gpu.createResource3d(good));
        expectWorking(guest);
      }));
  }

  test("id 0, and an id that exists in 2D or 3D, return ERR_INVALID_RESOURCE_ID", () =>
    withDevice(patient, ({ gpu }) => {
      expectType(gpu.createResource3d({ ...good, resourceId: 0 }), ERR_INVALID_RESOURCE_ID);
      expectOk(gpu.createResource3d(good));
      expectType(gpu.createResource3d(good), ERR_INVALID_RESOURCE_ID);
      expectType(gpu.createResource2d(1, 1, 8, 8), ERR_INVALID_RESOURCE_ID);
      expectOk(gpu.createResource2d(2, 1, 8, 8));
      expectType(gpu.createResource3d({ ...good, resourceId: 2 }), ERR_INVALID_RESOURCE_ID);
      expectOk(gpu.unrefResource(1));
      expectOk(gpu.createResource2d(1, 1, 8, 8));
    }));

  test("a 2D resource counts as padded as it is once a context has it", () =>
    withDevice(patient, (guest) => {
      const { gpu } = guest;
      makeContext(guest);
      // 64 KiB for the CPU, and a MiB in the renderer.
      const narrow = { width: 1, height: 16_384 };
      const fits = storageBytesMax / 2 ** 20;
      for (let id = 1; id < fits; id++) {
        expectOk(gpu.createResource2d(id, 1, narrow.width, narrow.height));
        expectOk(gpu.attachResource(1, id));
      }
      for (const id of [fits, fits + 1]) expectOk(gpu.createResource2d(id, 1, narrow.width, narrow.height));
      expectType(gpu.attachResource(1, fits), ERR_OUT_OF_MEMORY);
      expectOk(gpu.unrefResource(fits + 1));
      expectOk(gpu.attachResource(1, fits));
    }));

  test("2D transfers are for 2D resources that the CPU fills", () =>
    withDevice(patient, (guest) => {
      const { gpu } = guest;
      makeContext(guest);
      const texture = makeTexture(guest, 1, 8, 8);
      const result = gpu.transferToHost2d(1, { x: 0, y: 0, width: 8, height: 8 });
      // The lifecycle grants it to a 3D resource with backing: level 0, layer 0.
      expectOk(result);
      texture.pixels.fill(bgra(1, 2, 3, 4));
      expectOk(gpu.transferToHost2d(1, { x: 0, y: 0, width: 8, height: 8 }));
      expect(download(guest, texture)).toEqual(new Uint32Array(64).fill(bgra(1, 2, 3, 4)));
    }));
});

describe("SUBMIT_3D", () => {
  test("an empty stream is fine", () =>
    withDevice(patient, (guest) => {
      makeContext(guest);
      expectOk(guest.gpu.submit3d(1, nothing));
    }));

  const claims: [string, Uint8Array, number][] = [
    ["longer than the request", noOperation, 8],
    ["of all ones", noOperation, 0xffff_ffff],
    ["that wraps with its header", noOperation, 0xffff_ffe4],
    ["not a multiple of four", new Uint8Array(8), 7],
    ["of one byte", noOperation, 1],
  ];
  for (const [name, stream, size] of claims) {
    test(`a size ${name} returns ERR_INVALID_PARAMETER and costs no context`, () =>
      withDevice(patient, (guest) => {
        makeContext(guest);
        const request = commands3d.submit3d(1, stream, {}, size);
        expectType(guest.control.call(request), ERR_INVALID_PARAMETER);
        expectOk(guest.gpu.submit3d(1, noOperation));
      }));
  }

  test("bytes behind the size are left alone", () =>
    withDevice(patient, (guest) => {
      makeContext(guest);
      const rubbish = new Uint8Array(64).fill(0xff);
      rubbish.set(noOperation);
      expectOk(guest.control.call(commands3d.submit3d(1, rubbish, {}, 4)));
      expectOk(guest.gpu.submit3d(1, noOperation));
    }));

  test("a stream in any descriptors is one stream", () =>
    withDevice(patient, (guest) => {
      makeContext(guest);
      const texture = makeTexture(guest, 1, 8, 8);
      const stream = new virgl.CommandStream();
      clearTo(stream, texture, [1, 2, 3, 4]);
      const request = commands3d.submit3d(1, stream.bytes);
      const requestPieces = [5, 30, 0, 1, request.byteLength - 36];
      expectOk(guest.control.call(request, { requestPieces }));
      expect(download(guest, texture)).toEqual(new Uint32Array(64).fill(bgra(1, 2, 3, 4)));
    }));

  test("a long stream is run to its end", () =>
    withDevice(patient, (guest) => {
      makeContext(guest);
      const texture = makeTexture(guest, 1, 8, 8);
      draw(guest, (stream) => {
        for (let turn = 0; turn < 5000; turn++) clearTo(stream, texture, [turn & 255, 0, 0, 255]);
      });
      expect(download(guest, texture)).toEqual(new Uint32Array(64).fill(bgra(4999 & 255, 0, 0)));
    }));
});

describe("short requests", () => {
  const whole: [string, DataView][] = [
    ["ctx_create", commands3d.createContext(1)],
    ["ctx_attach_resource", commands3d.attachResource(1, 1)],
    ["ctx_detach_resource", commands3d.detachResource(1, 1)],
    [
      "resource_create_3d",
      commands3d.createResource3d({ resourceId: 9, target: 2, format: 1, bind: 2, width: 1 }),
    ],
    ["transfer_to_host_3d", commands3d.transferToHost3d(0, 1, onePixel)],
    ["transfer_from_host_3d", commands3d.transferFromHost3d(0, 1, onePixel)],
    ["submit_3d", commands3d.submit3d(1, nothing)],
  ];
  for (const [name, request] of whole) {
    test(`${name} one byte short returns ERR_UNSPEC`, () =>
      withDevice(patient, (guest) => {
        makeContext(guest);
        const bytes = new Uint8Array(request.buffer as ArrayBuffer);
        for (const length of [24, bytes.length - 1]) {
          expectType(guest.control.call(bytes.slice(0, length), { responseBytes: 24 }), ERR_UNSPEC);
        }
        expectOk(guest.gpu.submit3d(1, noOperation));
      }));
  }
});

describe("streams that make no sense", () => {
  const word = (command: number, length: number, object = 0) => command | (object << 8) | (length << 16);
  const encode = (write: (stream: virgl.CommandStream) => void): Uint8Array => {
    const stream = new virgl.CommandStream();
    write(stream);
    return stream.bytes.slice();
  };
  const words = (...values: number[]) => new Uint8Array(Uint32Array.from(values).buffer);
  const rubbish: [string, Uint8Array][] = [
    ["a command that there is not", words(word(200, 0))],
    ["all ones", new Uint8Array(64).fill(0xff)],
    ["a clear that is too short", words(word(virgl.Ccmd.CLEAR, 3), 4, 0, 0)],
    ["a command that is longer than the stream", words(word(virgl.Ccmd.CLEAR, 8), 4, 0, 0)],
    ["a command one word longer than the stream", words(0, word(virgl.Ccmd.CLEAR, 4), 4, 0, 0)],
    [
      "a resource for a blob",
      words(word(virgl.Ccmd.PIPE_RESOURCE_CREATE, 11), 2, 1, 10, 8, 8, 1, 1, 0, 0, 0, 1),
    ],
    ["a video codec", words(word(virgl.Ccmd.CREATE_VIDEO_CODEC, 8), 1, 0, 0, 0, 0, 8, 8, 2)],
    ...[1, 2].map((resourceId): [string, Uint8Array] => [
      `a query's result at an address, in place of an offset into buffer ${resourceId} of GL's`,
      encode((stream) => {
        virgl.createQuery(stream, 7, 2);
        virgl.beginQuery(stream, 7);
        virgl.endQuery(stream, 7);
        stream.begin(virgl.Ccmd.GET_QUERY_RESULT_QBO);
        for (const value of [7, resourceId, 1, 0, 0x1000, 0]) stream.word(value);
        stream.end();
      }),
    ]),
    ...[1, 2].map((resourceId): [string, Uint8Array] => [
      `indexes at an address, in place of an offset into buffer ${resourceId} of GL's`,
      encode((stream) => virgl.setIndexBuffer(stream, resourceId, 4, 0x1000)),
    ]),
    [
      "a shader's image in a format that there is not",
      words(word(virgl.Ccmd.SET_SHADER_IMAGES, 12), 1, 0, 1, 1, 0, 0, 1, 0x7fff_ffff, 1, 0, 0, 1),
    ],
    ["a question for memory into a resource without backing", words(word(virgl.Ccmd.GET_MEMORY_INFO, 1), 2)],
    ["a question for memory into less than its answer", words(word(virgl.Ccmd.GET_MEMORY_INFO, 1), 3)],
    [
      "a query into a buffer that is smaller than a result",
      encode((stream) => virgl.createQuery(stream, 1, 4)),
    ],
    [
      "a transfer from the host that goes beyond the backing",
      encode((stream) =>
        virgl.transfer3d(stream, "from-host", { resourceId: 1, box: rectangleBox(0, 0, 8, 8), offset: 4 }),
      ),
    ],
    ["an object of no kind", words(word(virgl.Ccmd.CREATE_OBJECT, 1, 99), 1)],
    ["an object with handle 0", encode((stream) => virgl.createBlend(stream, 0))],
    [
      "a surface of an unknown resource",
      encode((stream) => virgl.createSurface(stream, 1, { resourceId: 99, format: 1 })),
    ],
    [
      "a shader that does not parse",
      encode((stream) => virgl.createShader(stream, 1, virgl.ShaderType.VERTEX, "VERT\nNO SUCH THING\n")),
    ],
    [
      "an inline write of an unknown resource",
      encode((stream) =>
        virgl.resourceInlineWrite(stream, { resourceId: 99, ...onePixel }, new Uint8Array(4)),
      ),
    ],
    [
      "an inline write outside of its resource",
      encode((stream) =>
        virgl.resourceInlineWrite(
          stream,
          { resourceId: 1, box: rectangleBox(8, 0, 1, 1) },
          new Uint8Array(4),
        ),
      ),
    ],
  ];
  /** What the library answers with success, though its context does nothing any more. */
  const swallowed: [string, Uint8Array][] = [
    ["a framebuffer of an unknown surface", encode((stream) => virgl.setFramebufferState(stream, [42]))],
    [
      "a binding of an unknown object",
      encode((stream) => virgl.bindObject(stream, virgl.ObjectType.DSA, 42)),
    ],
    [
      "a copy of unknown resources",
      encode((stream) =>
        virgl.resourceCopyRegion(stream, { resourceId: 98 }, { resourceId: 99, ...onePixel }),
      ),
    ],
  ];
  for (const [name, stream] of rubbish) {
    test(`${name}: the context is lost, and nothing else`, () =>
      withDevice(patient, (guest) => {
        const { gpu } = guest;
        makeContext(guest);
        makeContext(guest, 2);
        const texture = makeTexture(guest, 1, 8, 8, {}, [1, 2]);
        draw(guest, (good) => clearTo(good, texture, [1, 2, 3, 4]));
        makeCustomBuffers(guest);

        expectType(gpu.submit3d(1, stream), ERR_INVALID_PARAMETER);
        expectLost(guest, 1);
        expect(download(guest, texture)).toEqual(new Uint32Array(64).fill(bgra(1, 2, 3, 4)));
        expectUnharmed(guest, texture);
      }));
  }

  for (const [name, stream] of swallowed) {
    test(`${name}: the context draws no more, and nothing else is lost`, () =>
      withDevice(patient, (guest) => {
        const { gpu } = guest;
        makeContext(guest);
        makeContext(guest, 2);
        const texture = makeTexture(guest, 1, 8, 8, {}, [1, 2]);
        draw(guest, (good) => clearTo(good, texture, [1, 2, 3, 4]));
        expectOk(gpu.submit3d(1, stream));
        run(guest, (good) => clearTo(good, texture, [9, 9, 9, 9]));
        expect(download(guest, texture)).toEqual(new Uint32Array(64).fill(bgra(1, 2, 3, 4)));
        expect(gpu.submit3d(1, noOperation, { fenceId: 5n })).toMatchObject({ flags: 1, fenceId: 5n });
        expectUnharmed(guest, texture);
      }));
  }

  /** Buffers 2 (without backing), 3 (its backing begins with a piece of 8 bytes), and 4 (too small for a result). */
  function makeCustomBuffers({ gpu, memory }: SyntheticGuest): void {
    const custom = { target: BUFFER, format: R8_UNORM, bind: virgl.Bind.CUSTOM };
    expectOk(gpu.createResource3d({ ...custom, resourceId: 2, width: 4096 }));
    expectOk(gpu.createResource3d({ ...custom, resourceId: 3, width: 4096 }));
    expectOk(gpu.createResource3d({ ...custom, resourceId: 4, width: 15 }));
    for (const id of [2, 3, 4]) expectOk(gpu.attachResource(1, id));
    const pieces = memory.allocate(8192, 4096);
    const head = { address: pieces.address + 4096, length: 8 };
    expectOk(gpu.attachBacking(3, [head, { address: pieces.address, length: 4088 }]));
  }

  /** Another context goes on, and the lost one's id can be used again. */
  function expectUnharmed(guest: SyntheticGuest, texture: Texture): void {
    draw(guest, (good) => clearTo(good, texture, [5, 6, 7, 8]), 2);
    expect(download(guest, texture)).toEqual(new Uint32Array(64).fill(bgra(5, 6, 7, 8)));
    expectOk(guest.gpu.destroyContext(1));
    makeContext(guest);
    expectOk(guest.gpu.attachResource(1, 1));
    draw(guest, (good) => clearTo(good, texture, [9, 10, 11, 12]));
    expect(download(guest, texture)).toEqual(new Uint32Array(64).fill(bgra(9, 10, 11, 12)));
  }

  /** A lost context takes no work, but its resources can be detached, it can be fenced, and it can be destroyed. */
  function expectLost({ gpu }: SyntheticGuest, context: number): void {
    expectType(gpu.submit3d(context, noOperation), ERR_UNSPEC);
    expectType(gpu.transferToHost3d(context, 1, onePixel), ERR_UNSPEC);
    expectType(gpu.transferFromHost3d(context, 1, onePixel), ERR_UNSPEC);
    expectType(gpu.createContext(context), ERR_INVALID_CONTEXT_ID);
    expect(gpu.submit3d(context, noOperation, { fenceId: 5n })).toMatchObject({ flags: 1, fenceId: 5n });
    expectOk(gpu.detachResource(context, 1));
    expectOk(gpu.attachResource(context, 1));
  }

  test("what the library prints of the guest's shaders is a few lines of the log, escaped", async () => {
    // What the tests before have made of the log's limit is over then.
    await Bun.sleep(1_100);
    const from = server().log().length;
    await withDevice(patient, (guest) => {
      for (let id = 1; id <= 40; id++) {
        makeContext(guest);
        run(guest, (stream) =>
          virgl.createShader(stream, 1, virgl.ShaderType.FRAGMENT, "FRAG\nDCL IN[0], \x1b[2Jhi\nfake\n"),
        );
        expectOk(guest.gpu.destroyContext(1));
      }
    });
    expectServing();
    const log = server().log().slice(from);
    expect(log).toContain("the renderer's libraries say: ");
    expect(log).not.toContain("\x1b");
    expect(log.split("\n").length).toBeLessThan(60);
    for (const line of log.split("\n").filter((one) => one !== "")) expect(line).toMatch(/(warning|info)/);
  });

  test("random words and commands never take more than their own context", () =>
    withDevice(patient, (guest) => {
      const { gpu } = guest;
      let seed = 12345;
      const random = (below: number) => {
        seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
        return Math.floor((seed / 2 ** 32) * below);
      };
      makeContext(guest, 2);
      const proof = makeTexture(guest, 100, 8, 8, {}, [2]);
      const commandNumbers = Object.values(virgl.Ccmd);
      for (let turn = 0; turn < 300; turn++) {
        makeContext(guest);
        makeTexture(guest, 1, 16, 16);
        makeBuffer(guest, 2, virgl.Bind.VERTEX_BUFFER, new Uint8Array(256));
        const stream = new virgl.CommandStream();
        for (let command = 0; command < 10; command++) {
          if (turn % 3 === 0) stream.word(random(2 ** 32));
          else {
            stream.begin(commandNumbers[random(commandNumbers.length)]!, random(10));
            const length = random(24);
            for (let at = 0; at < length; at++) stream.word(turn % 3 === 1 ? random(4) : random(2 ** 32));
            stream.end();
          }
        }
        gpu.submit3d(1, stream.bytes);
        expectOk(gpu.unrefResource(1));
        expectOk(gpu.unrefResource(2));
        expectOk(gpu.destroyContext(1));
      }
      draw(guest, (good) => clearTo(good, proof, [1, 2, 3, 4]), 2);
      expect(download(guest, proof)).toEqual(new Uint32Array(64).fill(bgra(1, 2, 3, 4)));
    }));
});
