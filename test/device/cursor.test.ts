// UPDATE_CURSOR and MOVE_CURSOR on any scanout, as the VMM's display sees them (virtio 1.3 §5.7.6.10).

import { describe, expect, test } from "bun:test";
import * as commands from "../../lab/driver/commands.ts";
import { areaOf, type Image } from "../../lab/driver/gpu-driver.ts";
import { drawArrow } from "../../lab/scenes/arrow.ts";
import type { SyntheticGuest } from "../../lab/driver/synthetic-guest.ts";
import { Format, Response, scanoutsMax } from "../../src/transport/wire/virtio-gpu/protocol.ts";
import { expectOk, expectType, serveTests } from "./support.ts";

const { withDevice, server } = serveTests();
const { ERR_INVALID_RESOURCE_ID, ERR_INVALID_SCANOUT_ID } = Response;
const arrow = new Uint32Array(64 * 64);
drawArrow(arrow);

describe("UPDATE_CURSOR", () => {
  for (const scanoutId of [0, 1, scanoutsMax - 1]) {
    test(`update on scanout ${scanoutId} shows image hot spot and place`, () =>
      withDevice({}, (guest) => {
        const image = cursorImage(guest, 1);
        expectOk(guest.gpu.updateCursor({ scanoutId, x: 120, y: 45 }, image.resourceId, 5, 9));
        expectCursor(guest, scanoutId, { visible: true, x: 120, y: 45, hotX: 5, hotY: 9 });
        expect(guest.display!.cursors[scanoutId]!.pixels).toEqual(arrow);
      }));
  }

  // Linux puts ARGB cursors into resources without alpha, so the fourth byte counts in every format.
  for (const [name, format] of Object.entries(Format)) {
    test(`update with ${name} shows right colours and alpha`, () =>
      withDevice({}, (guest) => {
        const image = guest.gpu.createImage(1, format, 64, 64);
        const translucent = Uint32Array.from({ length: 4096 }, (_, at) => ((at & 0xff) << 24) | 0x123456);
        image.pixels.set(translucent.map((colour) => encode(colour, name.replace("X", "A"))));
        expectOk(guest.gpu.transferToHost2d(1, areaOf(image)));
        expectOk(guest.gpu.updateCursor({ scanoutId: 0, x: 0, y: 0 }, 1));
        guest.pump.until(() => guest.display!.cursors[0]!.visible, "a cursor");
        expect(guest.display!.cursors[0]!.pixels).toEqual(translucent);
      }));
  }

  test("update resource 0 hides", () =>
    withDevice({}, (guest) => {
      const image = cursorImage(guest, 1);
      expectOk(guest.gpu.updateCursor({ scanoutId: 2, x: 1, y: 2 }, image.resourceId));
      expectCursor(guest, 2, { visible: true, x: 1, y: 2 });
      expectOk(guest.gpu.updateCursor({ scanoutId: 2, x: 30, y: 40 }, 0));
      expectCursor(guest, 2, { visible: false });
    }));

  test("update after hide shows again", () =>
    withDevice({}, (guest) => {
      const image = cursorImage(guest, 1);
      const place = { scanoutId: 0, x: 9, y: 8 };
      expectOk(guest.gpu.updateCursor(place, image.resourceId));
      expectOk(guest.gpu.updateCursor(place, 0));
      expectOk(guest.gpu.updateCursor(place, image.resourceId));
      expectCursor(guest, 0, { visible: true, x: 9, y: 8 });
    }));

  test("update takes the image of a transfer sent just before", () =>
    withDevice({}, (guest) => {
      const { gpu } = guest;
      const image = gpu.createImage(1, Format.B8G8R8A8, 64, 64);
      // The cursor queue must not overtake the transfer that the control queue was given first.
      for (let round = 1; round <= 100; round++) {
        const colour = (0xff00_0000 | (round * 0x020103)) >>> 0;
        image.pixels.fill(colour);
        const transfer = gpu.control.submit(commands.transferToHost2d(1, areaOf(image), 0));
        expectOk(gpu.updateCursor({ scanoutId: 0, x: round, y: round }, 1));
        expectOk(gpu.control.wait(transfer));
        expectCursor(guest, 0, { visible: true, x: round, y: round });
        guest.pump.until(() => guest.display!.cursors[0]!.pixels[0] === colour, `cursor image ${round}`);
      }
    }));

  test("unref of a shown cursor keeps it on screen", () =>
    withDevice({}, (guest) => {
      const image = cursorImage(guest, 1);
      expectOk(guest.gpu.updateCursor({ scanoutId: 0, x: 5, y: 6 }, image.resourceId));
      expectOk(guest.gpu.unrefResource(1));
      expectOk(guest.gpu.moveCursor({ scanoutId: 0, x: 7, y: 8 }));
      expectCursor(guest, 0, { visible: true, x: 7, y: 8 });
      expect(guest.display!.cursors[0]!.pixels).toEqual(arrow);
    }));

  test("update unknown resource returns ERR_INVALID_RESOURCE_ID", () =>
    withDevice({}, ({ gpu }) => {
      expectType(gpu.updateCursor({ scanoutId: 0, x: 0, y: 0 }, 9), ERR_INVALID_RESOURCE_ID);
      expectType(gpu.updateCursor({ scanoutId: 0, x: 0, y: 0 }, 0xffff_ffff), ERR_INVALID_RESOURCE_ID);
    }));

  for (const [width, height] of [
    [63, 64],
    [64, 63],
    [1, 1],
    [65, 64],
    [8192, 8192],
  ] as const) {
    test(`update with a ${width}x${height} image keeps the one before, at the new place and hot spot`, () =>
      withDevice({}, (guest) => {
        const image = cursorImage(guest, 1);
        expectOk(guest.gpu.updateCursor({ scanoutId: 0, x: 0, y: 0 }, image.resourceId));
        expectOk(guest.gpu.updateCursor({ scanoutId: 0, x: 0, y: 0 }, 0));
        expectOk(guest.gpu.createResource2d(2, 1, width, height));
        expectOk(guest.gpu.updateCursor({ scanoutId: 0, x: 7, y: 8 }, 2, 5, 6));
        expectCursor(guest, 0, { visible: true, x: 7, y: 8, hotX: 5, hotY: 6 });
        expect(guest.display!.cursors[0]!.pixels).toEqual(arrow);
      }));
  }

  test("update before any transfer shows a transparent image", () =>
    withDevice({}, (guest) => {
      expectOk(guest.gpu.createResource2d(1, Format.B8G8R8A8, 64, 64));
      expectOk(guest.gpu.updateCursor({ scanoutId: 0, x: 3, y: 3 }, 1));
      expectCursor(guest, 0, { visible: true, x: 3, y: 3 });
      expect(guest.display!.cursors[0]!.pixels.every((pixel) => pixel === 0)).toBe(true);
    }));

  test("update 10000 times leaves memory and descriptors flat", () =>
    withDevice({}, (guest) => {
      const image = cursorImage(guest, 1);
      const round = (count: number) => {
        for (let at = 0; at < count; at++) {
          guest.gpu.updateCursor({ scanoutId: 0, x: at & 0xff, y: 1 }, image.resourceId);
        }
      };
      round(2000);
      const before = server().usage();
      round(8000);
      const after = server().usage();
      expect(after.fds).toBeLessThan(before.fds + 8);
      expect(after.residentBytes - before.residentBytes).toBeLessThan(48 * 2 ** 20);
    }));
});

describe("MOVE_CURSOR", () => {
  test("move shows the last place", () =>
    withDevice({}, (guest) => {
      const image = cursorImage(guest, 1);
      expectOk(guest.gpu.updateCursor({ scanoutId: 0, x: 0, y: 0 }, image.resourceId));
      for (let at = 1; at <= 500; at++)
        guest.gpu.cursor.submit(commands.moveCursor({ scanoutId: 0, x: at, y: 2 * at }, image.resourceId));
      guest.gpu.cursor.waitAll();
      expectCursor(guest, 0, { visible: true, x: 500, y: 1000 });
    }));

  test("move does not touch other scanouts", () =>
    withDevice({}, (guest) => {
      const image = cursorImage(guest, 1);
      expectOk(guest.gpu.updateCursor({ scanoutId: 0, x: 10, y: 10 }, image.resourceId));
      expectOk(guest.gpu.updateCursor({ scanoutId: 1, x: 20, y: 20 }, image.resourceId));
      expectOk(guest.gpu.moveCursor({ scanoutId: 1, x: 21, y: 22 }));
      expectCursor(guest, 1, { visible: true, x: 21, y: 22 });
      expectCursor(guest, 0, { visible: true, x: 10, y: 10 });
    }));

  test("move to negative places is passed on", () =>
    withDevice({}, (guest) => {
      const image = cursorImage(guest, 1);
      expectOk(guest.gpu.updateCursor({ scanoutId: 0, x: 0, y: 0 }, image.resourceId));
      expectOk(guest.gpu.moveCursor({ scanoutId: 0, x: 0xffff_fffb, y: 0x7fff_ffff }));
      guest.pump.until(() => guest.display!.cursors[0]!.y === 0x7fff_ffff, "the move");
    }));

  test("move with resource 0 hides, and one with a resource shows the image again", () =>
    withDevice({}, (guest) => {
      const image = cursorImage(guest, 1);
      expectOk(guest.gpu.updateCursor({ scanoutId: 1, x: 0, y: 0 }, image.resourceId, 2, 3));
      expectCursor(guest, 1, { visible: true });
      expectOk(guest.gpu.cursor.call(commands.moveCursor({ scanoutId: 1, x: 4, y: 5 }, 0)));
      expectCursor(guest, 1, { visible: false });
      expectOk(guest.gpu.cursor.call(commands.moveCursor({ scanoutId: 1, x: 6, y: 7 }, image.resourceId)));
      expectCursor(guest, 1, { visible: true, x: 6, y: 7, hotX: 2, hotY: 3 });
      expect(guest.display!.cursors[1]!.pixels).toEqual(arrow);
    }));

  for (const scanoutId of [16, 22, 0xffff_ffff]) {
    test(`cursor on scanout ${scanoutId} returns ERR_INVALID_SCANOUT_ID`, () =>
      withDevice({}, ({ gpu }) => {
        const place = { scanoutId, x: 0, y: 0 };
        expectType(gpu.moveCursor(place), ERR_INVALID_SCANOUT_ID);
        expectType(gpu.updateCursor(place, 0), ERR_INVALID_SCANOUT_ID);
        expectType(gpu.updateCursor(place, 1), ERR_INVALID_SCANOUT_ID);
      }));
  }
});

/** A transferred arrow. */
function cursorImage(guest: SyntheticGuest, id: number): Image {
  const image = guest.gpu.createImage(id, Format.B8G8R8A8, 64, 64);
  image.pixels.set(arrow);
  expectOk(guest.gpu.transferToHost2d(id, areaOf(image)));
  return image;
}

/** Waits until the display's cursor is as `expected`. */
function expectCursor(guest: SyntheticGuest, scanout: number, expected: Record<string, unknown>): void {
  const cursor = () => guest.display!.cursors[scanout]! as unknown as Record<string, unknown>;
  const matches = () => Object.entries(expected).every(([key, value]) => cursor()[key] === value);
  try {
    guest.pump.until(matches, "the cursor");
  } catch {
    expect(cursor()).toMatchObject(expected);
  }
}

/** 0xAARRGGBB as the 32-bit little-endian word of a format whose name gives the order of its bytes. */
function encode(colour: number, format: string): number {
  const channel: Record<string, number> = {
    A: colour >>> 24,
    R: (colour >>> 16) & 0xff,
    G: (colour >>> 8) & 0xff,
    B: colour & 0xff,
    X: 0x5a,
  };
  const letters = format.replaceAll("8", "");
  return [...letters].reduce((word, letter, at) => word | (channel[letter]! << (8 * at)), 0) >>> 0;
}
