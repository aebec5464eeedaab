// SET_SCANOUT and RESOURCE_FLUSH, checked by the pixels and messages that arrive at the VMM's display.

import { describe, expect, test } from "bun:test";
import { areaOf } from "../../lab/driver/gpu-driver.ts";
import { Format, Response, scanoutsMax } from "../../src/transport/wire/virtio-gpu/protocol.ts";
import { DisplayRequest } from "../../src/transport/wire/vhost-user-gpu/protocol.ts";
import {
  crop,
  expectOff,
  expectOk,
  expectShown,
  expectType,
  pattern,
  paste,
  serveTests,
  settle,
} from "./support.ts";

const { withDevice } = serveTests();
const { ERR_INVALID_PARAMETER, ERR_INVALID_RESOURCE_ID, ERR_INVALID_SCANOUT_ID } = Response;
const area = { x: 0, y: 0, width: 8, height: 8 };

describe("formats", () => {
  for (const [name, format] of Object.entries(Format)) {
    test(`scanout of ${name} shows right colours`, () =>
      withDevice({}, (guest) => {
        const picture = pattern(33, 17);
        const image = guest.gpu.createImage(1, format, 33, 17);
        image.pixels.set(picture.map((colour) => encode(colour, name)));
        guest.gpu.show(0, image);
        expectShown(guest, 0, 33, 17, picture);
      }));
  }
});

describe("SET_SCANOUT", () => {
  const badScanouts = [16, 17, 22, 0x8000_0000, 0xffff_ffff];
  for (const scanout of badScanouts) {
    test(`SET_SCANOUT id ${scanout} returns ERR_INVALID_SCANOUT_ID`, () =>
      withDevice({}, ({ gpu }) => {
        gpu.createImage(1, 1, 8, 8);
        expectType(gpu.setScanout(scanout, 1, area), ERR_INVALID_SCANOUT_ID);
      }));

    // The id is checked before the short cut for "off" (qemu#383).
    test(`SET_SCANOUT id ${scanout} resource 0 returns ERR_INVALID_SCANOUT_ID`, () =>
      withDevice({}, ({ gpu }) => {
        expectType(gpu.setScanout(scanout, 0, area), ERR_INVALID_SCANOUT_ID);
      }));
  }

  test("SET_SCANOUT unknown resource returns ERR_INVALID_RESOURCE_ID", () =>
    withDevice({}, ({ gpu }) => {
      expectType(gpu.setScanout(0, 5, area), ERR_INVALID_RESOURCE_ID);
    }));

  const rectangles: [string, number, number, number, number][] = [
    ["width 0", 0, 0, 0, 8],
    ["height 0", 0, 0, 8, 0],
    ["wider than the resource", 0, 0, 9, 8],
    ["beyond the right edge", 1, 0, 8, 8],
    ["beyond the bottom", 0, 1, 8, 8],
    ["x plus width wraps", 0xffff_fff8, 0, 16, 8],
    ["y plus height wraps", 0, 0xffff_ffff, 8, 2],
    ["all ones", 0xffff_ffff, 0xffff_ffff, 0xffff_ffff, 0xffff_ffff],
  ];
  for (const [name, x, y, width, height] of rectangles) {
    test(`SET_SCANOUT ${name} returns ERR_INVALID_PARAMETER and keeps the picture`, () =>
      withDevice({}, (guest) => {
        const image = guest.gpu.createImage(1, Format.B8G8R8X8, 8, 8);
        image.pixels.set(pattern(8, 8));
        guest.gpu.show(0, image);
        expectType(guest.gpu.setScanout(0, 1, { x, y, width, height }), ERR_INVALID_PARAMETER);
        expectShown(guest, 0, 8, 8, pattern(8, 8));
      }));
  }

  test("SET_SCANOUT sub-rectangle shows that part", () =>
    withDevice({}, (guest) => {
      const { gpu } = guest;
      const picture = pattern(64, 48);
      const image = gpu.createImage(1, Format.B8G8R8X8, 64, 48);
      image.pixels.set(picture);
      const part = { x: 10, y: 7, width: 30, height: 20 };
      expectOk(gpu.setScanout(0, 1, part));
      gpu.present(image);
      expectShown(guest, 0, 30, 20, crop(picture, 64, part));
    }));

  test("flush of a sub-rectangle scanout updates in scanout coordinates", () =>
    withDevice({}, (guest) => {
      const { gpu } = guest;
      const picture = pattern(64, 48);
      const image = gpu.createImage(1, Format.B8G8R8X8, 64, 48);
      image.pixels.set(picture);
      const part = { x: 10, y: 7, width: 30, height: 20 };
      expectOk(gpu.setScanout(0, 1, part));
      gpu.present(image);
      expectShown(guest, 0, 30, 20, crop(picture, 64, part));
      settle(guest);
      guest.display!.events.length = 0;
      const next = pattern(64, 48, 1);
      image.pixels.set(next);
      // Half in, half out of what the scanout shows.
      gpu.present(image, { x: 0, y: 0, width: 20, height: 10 });
      const changed = paste(
        picture,
        64,
        { x: 0, y: 0, width: 20, height: 10 },
        crop(next, 64, { x: 0, y: 0, width: 20, height: 10 }),
      );
      expectShown(guest, 0, 30, 20, crop(changed, 64, part));
      expect(guest.display!.updates()).toEqual([{ x: 0, y: 0, width: 10, height: 3 }]);
    }));

  test("one resource on two scanouts updates both", () =>
    withDevice({}, (guest) => {
      const { gpu } = guest;
      const picture = pattern(64, 32);
      const image = gpu.createImage(1, Format.B8G8R8X8, 64, 32);
      const left = { x: 0, y: 0, width: 32, height: 32 };
      const right = { x: 32, y: 0, width: 32, height: 32 };
      expectOk(gpu.setScanout(0, 1, left));
      expectOk(gpu.setScanout(1, 1, right));
      image.pixels.set(picture);
      gpu.present(image);
      expectShown(guest, 0, 32, 32, crop(picture, 64, left));
      expectShown(guest, 1, 32, 32, crop(picture, 64, right));
      // Turning one off leaves the other on.
      expectOk(gpu.setScanout(0, 0, area));
      expectOff(guest, 0);
      image.pixels.set(pattern(64, 32, 3));
      gpu.present(image);
      expectShown(guest, 1, 32, 32, crop(pattern(64, 32, 3), 64, right));
    }));

  test("sixteen scanouts show sixteen pictures", () =>
    withDevice({}, (guest) => {
      for (let id = 0; id < scanoutsMax; id++) {
        const image = guest.gpu.createImage(id + 1, Format.B8G8R8X8, 20 + id, 10);
        image.pixels.set(pattern(20 + id, 10, id));
        guest.gpu.show(id, image);
      }
      for (let id = 0; id < scanoutsMax; id++) expectShown(guest, id, 20 + id, 10, pattern(20 + id, 10, id));
    }));

  test("SET_SCANOUT resource 0 turns it off", () =>
    withDevice({}, (guest) => {
      const image = guest.gpu.createImage(1, 1, 8, 8);
      guest.gpu.show(0, image);
      expectShown(guest, 0, 8, 8, new Uint32Array(64));
      expectOk(guest.gpu.setScanout(0, 0, { x: 0, y: 0, width: 0, height: 0 }));
      expectOff(guest, 0);
      // Once more, and one that was never on.
      expectOk(guest.gpu.setScanout(0, 0, area));
      expectOk(guest.gpu.setScanout(15, 0, area));
    }));

  test("SET_SCANOUT to another resource shows that one without a flush of the first", () =>
    withDevice({}, (guest) => {
      const { gpu } = guest;
      const first = gpu.createImage(1, Format.B8G8R8X8, 16, 16);
      const second = gpu.createImage(2, Format.B8G8R8X8, 24, 12);
      first.pixels.set(pattern(16, 16));
      second.pixels.set(pattern(24, 12, 2));
      gpu.show(0, first);
      expectShown(guest, 0, 16, 16, pattern(16, 16));
      gpu.show(0, second);
      expectShown(guest, 0, 24, 12, pattern(24, 12, 2));
      settle(guest);
      guest.display!.events.length = 0;
      gpu.present(first);
      guest.pump.serve(30);
      expect(guest.display!.updates()).toEqual([]);
      // Unreferencing what is not shown any more changes nothing.
      expectOk(gpu.unrefResource(1));
      guest.pump.serve(30);
      expectShown(guest, 0, 24, 12, pattern(24, 12, 2));
    }));

  test("page flips between two resources show the last", () =>
    withDevice({}, (guest) => {
      const { gpu } = guest;
      const images = [1, 2].map((id) => gpu.createImage(id, Format.B8G8R8X8, 40, 30));
      for (let frame = 0; frame < 60; frame++) {
        const image = images[frame % 2]!;
        image.pixels.set(pattern(40, 30, frame));
        gpu.show(0, image);
      }
      expectShown(guest, 0, 40, 30, pattern(40, 30, 59));
    }));
});

describe("RESOURCE_FLUSH", () => {
  test("flush unknown resource returns ERR_INVALID_RESOURCE_ID", () =>
    withDevice({}, ({ gpu }) => {
      expectType(gpu.flushResource(0, area), ERR_INVALID_RESOURCE_ID);
      expectType(gpu.flushResource(77, area), ERR_INVALID_RESOURCE_ID);
    }));

  for (const [name, x, y, width, height] of [
    ["wider", 0, 0, 9, 8],
    ["lower", 0, 1, 8, 8],
    ["wrapping x", 0xffff_ffff, 0, 2, 8],
    ["wrapping y", 0, 0xffff_ffff, 8, 2],
  ] as const) {
    test(`flush ${name} returns ERR_INVALID_PARAMETER`, () =>
      withDevice({}, ({ gpu }) => {
        gpu.createImage(1, 1, 8, 8);
        expectType(gpu.flushResource(1, { x, y, width, height }), ERR_INVALID_PARAMETER);
      }));
  }

  test("flush of what is not shown returns ok and sends nothing", () =>
    withDevice({}, (guest) => {
      const image = guest.gpu.createImage(1, 1, 8, 8);
      guest.gpu.present(image);
      guest.pump.serve(30);
      expect(guest.display!.count(DisplayRequest.UPDATE)).toBe(0);
    }));

  test("flush sends the damage only", () =>
    withDevice({}, (guest) => {
      const { gpu } = guest;
      const image = gpu.createImage(1, Format.B8G8R8X8, 100, 80);
      image.pixels.set(pattern(100, 80));
      gpu.show(0, image);
      expectShown(guest, 0, 100, 80, pattern(100, 80));
      const damage = { x: 13, y: 21, width: 30, height: 9 };
      const next = pattern(100, 80, 9);
      image.pixels.set(next);
      settle(guest);
      guest.display!.events.length = 0;
      const before = guest.display!.bytes;
      gpu.present(image, damage);
      expectShown(guest, 0, 100, 80, paste(pattern(100, 80), 100, damage, crop(next, 100, damage)));
      expect(guest.display!.updates()).toEqual([damage]);
      expect(guest.display!.bytes - before).toBe(12 + 20 + 30 * 9 * 4);
    }));

  test("flush before any transfer shows zeroes", () =>
    withDevice({}, (guest) => {
      const { gpu } = guest;
      expectOk(gpu.createResource2d(1, Format.B8G8R8X8, 50, 40));
      expectOk(gpu.setScanout(0, 1, areaOf({ width: 50, height: 40 })));
      expectOk(gpu.flushResource(1, areaOf({ width: 50, height: 40 })));
      expectShown(guest, 0, 50, 40, new Uint32Array(50 * 40));
    }));

  test("many small flushes all arrive", () =>
    withDevice({}, (guest) => {
      const { gpu } = guest;
      const image = gpu.createImage(1, Format.B8G8R8X8, 64, 64);
      gpu.show(0, image);
      image.pixels.set(pattern(64, 64, 4));
      for (let y = 0; y < 64; y += 8) {
        for (let x = 0; x < 64; x += 8) gpu.present(image, { x, y, width: 8, height: 8 });
      }
      expectShown(guest, 0, 64, 64, pattern(64, 64, 4));
    }));
});

/** 0x00RRGGBB as the 32-bit little-endian word of a format whose name gives the order of its bytes. */
function encode(colour: number, format: string): number {
  const channel: Record<string, number> = {
    R: (colour >>> 16) & 0xff,
    G: (colour >>> 8) & 0xff,
    B: colour & 0xff,
    A: 0xff,
    X: 0x5a,
  };
  return (
    [...format.replaceAll("8", "")].reduce((word, letter, at) => word | (channel[letter]! << (8 * at)), 0) >>>
    0
  );
}
