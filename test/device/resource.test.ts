// RESOURCE_CREATE_2D, UNREF, ATTACH_BACKING, DETACH_BACKING and their mistakes (virtio 1.3 §5.7.6.8).

import { describe, expect, test } from "bun:test";
import * as commands from "../../lab/driver/commands.ts";
import { areaOf } from "../../lab/driver/gpu-driver.ts";
import { Format, Response } from "../../src/transport/wire/virtio-gpu/protocol.ts";
import { expectOff, expectOk, expectShown, expectType, pattern, serveTests } from "./support.ts";

const { withDevice, server } = serveTests();
const { ERR_INVALID_PARAMETER, ERR_INVALID_RESOURCE_ID, ERR_OUT_OF_MEMORY, ERR_UNSPEC } = Response;
const area = { x: 0, y: 0, width: 8, height: 8 };

describe("RESOURCE_CREATE_2D", () => {
  for (const [name, format] of Object.entries(Format)) {
    test(`CREATE_2D ${name} returns ok`, () =>
      withDevice({}, ({ gpu }) => {
        expectOk(gpu.createResource2d(1, format, 64, 64));
      }));
  }

  const bad: [string, [id: number, format: number, width: number, height: number], number][] = [
    ["resource id 0 returns ERR_INVALID_RESOURCE_ID", [0, 1, 4, 4], ERR_INVALID_RESOURCE_ID],
    ["format 0 returns ERR_INVALID_PARAMETER", [1, 0, 4, 4], ERR_INVALID_PARAMETER],
    ["format 5 returns ERR_INVALID_PARAMETER", [1, 5, 4, 4], ERR_INVALID_PARAMETER],
    ["format 2 to 31 returns ERR_INVALID_PARAMETER", [1, 0x8000_0001, 4, 4], ERR_INVALID_PARAMETER],
    ["width 0 returns ERR_INVALID_PARAMETER", [1, 1, 0, 4], ERR_INVALID_PARAMETER],
    ["height 0 returns ERR_INVALID_PARAMETER", [1, 1, 4, 0], ERR_INVALID_PARAMETER],
    // 32-bit strides that wrap to 4 bytes (CVE-2026-3886).
    ["width 0x40000001 returns ERR_OUT_OF_MEMORY", [1, 1, 0x4000_0001, 1], ERR_OUT_OF_MEMORY],
    ["width 0x3fffffff height 4 returns ERR_OUT_OF_MEMORY", [1, 1, 0x3fff_ffff, 4], ERR_OUT_OF_MEMORY],
    ["size 65536 squared returns ERR_OUT_OF_MEMORY", [1, 1, 0x1_0000, 0x1_0000], ERR_OUT_OF_MEMORY],
    ["size of all ones returns ERR_OUT_OF_MEMORY", [1, 1, 0xffff_ffff, 0xffff_ffff], ERR_OUT_OF_MEMORY],
  ];
  for (const [name, args, code] of bad) {
    test(`CREATE_2D ${name}`, () =>
      withDevice({}, ({ gpu }) => {
        expectType(gpu.createResource2d(...args), code);
        // The refused id is still free.
        expectOk(gpu.createResource2d(args[0] || 1, 1, 4, 4));
      }));
  }

  test("CREATE_2D duplicate id returns ERR_INVALID_RESOURCE_ID", () =>
    withDevice({}, ({ gpu }) => {
      expectOk(gpu.createResource2d(7, 1, 4, 4));
      expectType(gpu.createResource2d(7, 1, 8, 8), ERR_INVALID_RESOURCE_ID);
    }));

  test("CREATE_2D highest id returns ok", () =>
    withDevice({}, ({ gpu }) => {
      expectOk(gpu.createResource2d(0xffff_ffff, 1, 4, 4));
      expectOk(gpu.unrefResource(0xffff_ffff));
    }));

  test("CREATE_2D after unref returns ok and holds no old pixels", () =>
    withDevice({}, (guest) => {
      const { gpu } = guest;
      const image = gpu.createImage(1, Format.B8G8R8X8, 8, 8);
      image.pixels.set(pattern(8, 8));
      gpu.show(0, image);
      expectShown(guest, 0, 8, 8, pattern(8, 8));
      expectOk(gpu.unrefResource(1));
      expectOff(guest, 0);
      expectOk(gpu.createResource2d(1, Format.B8G8R8X8, 8, 8));
      expectOk(gpu.setScanout(0, 1, area));
      expectOk(gpu.flushResource(1, area));
      expectShown(guest, 0, 8, 8, new Uint32Array(64));
    }));

  test("CREATE_2D beyond the byte limit returns ERR_OUT_OF_MEMORY until unref", () =>
    withDevice({}, ({ gpu }) => {
      // The default limit is 4 GiB; storage is made when it is first needed.
      for (let id = 1; id <= 16; id++) expectOk(gpu.createResource2d(id, 1, 8192, 8192));
      expectType(gpu.createResource2d(17, 1, 1, 1), ERR_OUT_OF_MEMORY);
      expectOk(gpu.unrefResource(2));
      expectOk(gpu.createResource2d(17, 1, 1, 1));
    }));
});

describe("RESOURCE_UNREF", () => {
  for (const id of [0, 1, 0xffff_ffff]) {
    test(`unref unknown id ${id} returns ERR_INVALID_RESOURCE_ID`, () =>
      withDevice({}, ({ gpu }) => {
        expectType(gpu.unrefResource(id), ERR_INVALID_RESOURCE_ID);
      }));
  }

  test("unref twice returns ERR_INVALID_RESOURCE_ID", () =>
    withDevice({}, ({ gpu }) => {
      expectOk(gpu.createResource2d(1, 1, 4, 4));
      expectOk(gpu.unrefResource(1));
      expectType(gpu.unrefResource(1), ERR_INVALID_RESOURCE_ID);
    }));

  test("unref of a shown resource turns its scanouts off", () =>
    withDevice({}, (guest) => {
      const image = guest.gpu.createImage(1, 1, 8, 8);
      guest.gpu.show(0, image);
      guest.gpu.show(3, image);
      expectShown(guest, 0, 8, 8, new Uint32Array(64));
      expectShown(guest, 3, 8, 8, new Uint32Array(64));
      expectOk(guest.gpu.unrefResource(1));
      expectOff(guest, 0);
      expectOff(guest, 3);
    }));

  test("unref while the display reads shows the old picture or nothing", () =>
    withDevice({}, (guest) => {
      const { gpu } = guest;
      const whole = areaOf({ width: 64, height: 64 });
      const backing = guest.memory.allocate(64 * 64 * 4);
      // Each picture of one colour goes away right after its flush, and its id comes back.
      for (let round = 1; round <= 50; round++) {
        backing.words.fill(round * 0x040302);
        expectOk(gpu.createResource2d(1, Format.B8G8R8X8, 64, 64));
        expectOk(gpu.attachBacking(1, [backing]));
        expectOk(gpu.transferToHost2d(1, whole));
        expectOk(gpu.setScanout(0, 1, whole));
        expectOk(gpu.flushResource(1, whole));
        if (round < 50) expectOk(gpu.unrefResource(1));
      }
      expectShown(guest, 0, 64, 64, new Uint32Array(64 * 64).fill(50 * 0x040302));
    }));

  test("create and unref 20000 times leaves memory and descriptors flat", () =>
    withDevice({}, (guest) => {
      const { gpu, memory, control } = guest;
      const backing = memory.allocate(64 * 64 * 4);
      const round = (count: number) => {
        for (let index = 0; index < count; index++) {
          control.submit(commands.createResource2d(1, 1, 64, 64), { hold: true });
          control.submit(commands.attachBacking(1, [backing]), { hold: true });
          control.submit(commands.transferToHost2d(1, areaOf({ width: 64, height: 64 }), 0), { hold: true });
          control.submit(commands.unrefResource(1));
        }
        control.waitAll();
      };
      round(5000);
      const before = server().usage();
      round(15_000);
      const after = server().usage();
      expect(after.fds).toBeLessThan(before.fds + 8);
      expect(after.residentBytes - before.residentBytes).toBeLessThan(48 * 2 ** 20);
      expectType(gpu.unrefResource(1), ERR_INVALID_RESOURCE_ID);
    }));
});

describe("RESOURCE_ATTACH_BACKING", () => {
  test("attach unknown resource returns ERR_INVALID_RESOURCE_ID", () =>
    withDevice({}, ({ gpu, memory }) => {
      expectType(gpu.attachBacking(9, [memory.allocate(4096)]), ERR_INVALID_RESOURCE_ID);
      expectType(gpu.attachBacking(0, [memory.allocate(4096)]), ERR_INVALID_RESOURCE_ID);
    }));

  test("attach twice returns ERR_UNSPEC and keeps the first", () =>
    withDevice({}, (guest) => {
      const { gpu, memory } = guest;
      const image = gpu.createImage(1, Format.B8G8R8X8, 8, 8);
      image.pixels.set(pattern(8, 8));
      expectType(gpu.attachBacking(1, [memory.allocate(4096)]), ERR_UNSPEC);
      gpu.show(0, image);
      expectShown(guest, 0, 8, 8, pattern(8, 8));
    }));

  test("attach twice 20000 times leaves memory and descriptors flat", () =>
    withDevice({}, ({ gpu, memory, control }) => {
      gpu.createImage(1, 1, 8, 8);
      const entries = Array.from({ length: 64 }, () => memory.allocate(16, 16));
      const round = (count: number) => {
        for (let index = 0; index < count; index++) control.submit(commands.attachBacking(1, entries));
        control.waitAll();
      };
      round(5000);
      const before = server().usage();
      round(15_000);
      const after = server().usage();
      expect(after.fds).toBeLessThan(before.fds + 8);
      expect(after.residentBytes - before.residentBytes).toBeLessThan(48 * 2 ** 20);
    }));

  const outside: [string, { address: number; length: number }][] = [
    ["below the first region", { address: 2 ** 31, length: 4096 }],
    ["above the last region", { address: 2 ** 40, length: 4096 }],
    ["crossing a region end", { address: 32 * 2 ** 20 - 2048, length: 4096 }],
    ["wrapping 64 bits", { address: 2 ** 64 - 4096, length: 8192 }],
    ["longer than memory", { address: 4096, length: 0xffff_ffff }],
  ];
  for (const [name, entry] of outside) {
    test(`attach entry ${name} returns ERR_INVALID_PARAMETER`, () =>
      withDevice({}, ({ gpu, memory }) => {
        expectOk(gpu.createResource2d(1, 1, 8, 8));
        expectType(gpu.attachBacking(1, [memory.allocate(4096), entry]), ERR_INVALID_PARAMETER);
        // Nothing was attached.
        expectType(gpu.detachBacking(1), ERR_UNSPEC);
        expectOk(gpu.attachBacking(1, [memory.allocate(4096)]));
      }));
  }

  for (const claimed of [2, 100, 16_384]) {
    test(`attach ${claimed} entries in a request of 1 returns ERR_INVALID_PARAMETER`, () =>
      withDevice({}, ({ gpu, memory, control }) => {
        expectOk(gpu.createResource2d(1, 1, 8, 8));
        const request = commands.attachBacking(1, [memory.allocate(4096)], {}, claimed);
        expectType(control.call(request), ERR_INVALID_PARAMETER);
      }));
  }

  for (const claimed of [16_385, 0x1000_0000, 0x1000_0001, 0xffff_ffff]) {
    test(`attach ${claimed} entries returns ERR_OUT_OF_MEMORY`, () =>
      withDevice({}, ({ gpu, memory, control }) => {
        expectOk(gpu.createResource2d(1, 1, 8, 8));
        const request = commands.attachBacking(1, [memory.allocate(4096)], {}, claimed);
        expectType(control.call(request), ERR_OUT_OF_MEMORY);
      }));
  }

  test("attach 16384 entries returns ok", () =>
    withDevice({}, (guest) => {
      const { gpu, memory } = guest;
      // 256 x 64 pixels, one an entry, in reverse order of address.
      const pixels = memory.allocate(16_384 * 16);
      const picture = pattern(256, 64);
      const entries = Array.from(picture, (_, at) => pixels.slice((16_383 - at) * 16, 4));
      entries.forEach((entry, at) => entry.data.setUint32(0, picture[at]!, true));
      expectOk(gpu.createResource2d(1, Format.B8G8R8X8, 256, 64));
      expectOk(gpu.attachBacking(1, entries));
      expectOk(gpu.transferToHost2d(1, areaOf({ width: 256, height: 64 })));
      expectOk(gpu.setScanout(0, 1, areaOf({ width: 256, height: 64 })));
      expectOk(gpu.flushResource(1, areaOf({ width: 256, height: 64 })));
      expectShown(guest, 0, 256, 64, picture);
    }));

  test("attach no entries then transfer returns an error", () =>
    withDevice({}, ({ gpu }) => {
      expectOk(gpu.createResource2d(1, 1, 8, 8));
      gpu.attachBacking(1, []);
      const { type } = gpu.transferToHost2d(1, area);
      expect([ERR_INVALID_PARAMETER, ERR_UNSPEC] as number[]).toContain(type);
    }));
});

describe("RESOURCE_DETACH_BACKING", () => {
  test("detach unknown resource returns ERR_INVALID_RESOURCE_ID", () =>
    withDevice({}, ({ gpu }) => {
      expectType(gpu.detachBacking(3), ERR_INVALID_RESOURCE_ID);
    }));

  test("detach without backing returns ERR_UNSPEC", () =>
    withDevice({}, ({ gpu }) => {
      expectOk(gpu.createResource2d(1, 1, 8, 8));
      expectType(gpu.detachBacking(1), ERR_UNSPEC);
    }));

  test("detach keeps the pixels and another backing can be attached", () =>
    withDevice({}, (guest) => {
      const { gpu, memory } = guest;
      const image = gpu.createImage(1, Format.B8G8R8X8, 8, 8);
      image.pixels.set(pattern(8, 8));
      gpu.show(0, image);
      expectOk(gpu.detachBacking(1));
      expectType(gpu.transferToHost2d(1, area), ERR_UNSPEC);
      expectOk(gpu.flushResource(1, area));
      expectShown(guest, 0, 8, 8, pattern(8, 8));
      const second = memory.allocate(256);
      second.words.set(pattern(8, 8, 1));
      expectOk(gpu.attachBacking(1, [second]));
      expectOk(gpu.transferToHost2d(1, area));
      expectOk(gpu.flushResource(1, area));
      expectShown(guest, 0, 8, 8, pattern(8, 8, 1));
    }));
});
