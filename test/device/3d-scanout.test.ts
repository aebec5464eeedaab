// What the renderer drew, as the VMM's display sees it: scanouts, page flips, damage, cursors, and 2D resources that moved
// into the renderer because a context attached them.

import { describe, expect, test } from "bun:test";
import { areaOf } from "../../lab/driver/gpu-driver.ts";
import { drawArrow } from "../../lab/scenes/arrow.ts";
import type { SyntheticGuest } from "../../lab/driver/synthetic-guest.ts";
import * as virgl from "../../lab/driver/virgl/index.ts";
import { Format, resourceFlagY0Top, Response } from "../../src/transport/wire/virtio-gpu/protocol.ts";
import {
  crop,
  expectOff,
  expectOk,
  expectShown,
  expectType,
  paste,
  pattern,
  serveTests,
  settle,
} from "./support.ts";
import {
  bgra,
  clearTo,
  download,
  draw,
  expectPixels,
  makeContext,
  makeTexture,
  patient,
  rectangleBox,
  type Texture,
  upload,
  virglServer,
} from "./3d-support.ts";

// What waits for a slot is read then, with all that was drawn since: here each flush is looked at.
const { withDevice } = serveTests(...virglServer, "--frame-rate=unlimited");
const { ERR_INVALID_PARAMETER } = Response;
const { B8G8R8X8_UNORM, S8_UINT_Z24_UNORM } = virgl.VirglFormat;
const [width, height] = [64, 40];
const whole = { x: 0, y: 0, width, height };

const with3d = (body: (guest: SyntheticGuest) => void) =>
  withDevice(patient, (guest) => {
    makeContext(guest);
    body(guest);
  });

/** Shows all of a texture on a scanout, and flushes it. */
function show(guest: SyntheticGuest, texture: Texture, scanoutId = 0): void {
  expectOk(guest.gpu.setScanout(scanoutId, texture.resourceId, areaOf(texture)));
  expectOk(guest.gpu.flushResource(texture.resourceId, areaOf(texture)));
}

/** The word whose bytes, by address, hold the channels of 0x00RRGGBB that `name` says. */
function encode(colour: number, name: string): number {
  const channels = name.match(/[A-Z]8/g)!.map((letter) => letter[0]!);
  const value: Record<string, number> = {
    R: colour >>> 16,
    G: (colour >>> 8) & 255,
    B: colour & 255,
    A: 255,
    X: 0,
  };
  return channels.reduce((word, channel, at) => word | (value[channel]! << (8 * at)), 0) >>> 0;
}

describe("a 3D resource on a scanout", () => {
  // The renderer has no X8B8G8R8.
  for (const [name, format] of Object.entries(Format).filter(([, number]) => number !== Format.X8B8G8R8)) {
    test(`of ${name} is shown in the right colours`, () =>
      with3d((guest) => {
        const texture = makeTexture(guest, 1, width, height, { format });
        const picture = pattern(width, height);
        upload(
          guest,
          texture,
          picture.map((colour) => encode(colour, name)),
        );
        show(guest, texture);
        expectShown(guest, 0, width, height, picture);
      }));
  }

  test("is shown right way up when its first row is at the top", () =>
    with3d((guest) => {
      const texture = makeTexture(guest, 1, width, height, { flags: resourceFlagY0Top });
      const picture = pattern(width, height, 3);
      upload(guest, texture, picture);
      show(guest, texture);
      expectShown(guest, 0, width, height, picture);
      expect(download(guest, texture)).toEqual(picture);

      // A part of it, in both directions.
      const [x, y, w, h] = [7, 5, 20, 11];
      const next = pattern(width, height, 8);
      texture.pixels.set(next);
      const box = rectangleBox(x, y, w, h);
      expectOk(guest.gpu.transferToHost3d(1, 1, { box, offset: (y * width + x) * 4 }));
      expectOk(guest.gpu.flushResource(1, { x, y, width: w, height: h }));
      const rectangle = { x, y, width: w, height: h };
      const expected = paste(picture, width, rectangle, crop(next, width, rectangle));
      expectShown(guest, 0, width, height, expected);
      expectPixels(download(guest, texture), width, (column, row) => expected[row * width + column]);
    }));

  test("shows what was drawn once it is flushed, in the rectangle that is flushed", () =>
    with3d((guest) => {
      const texture = makeTexture(guest, 1, width, height);
      draw(guest, (stream) => clearTo(stream, texture, [255, 0, 0, 255]));
      show(guest, texture);
      const red = new Uint32Array(width * height).fill(0xff0000);
      expectShown(guest, 0, width, height, red);
      settle(guest);
      guest.display!.events.length = 0;

      draw(guest, (stream) => clearTo(stream, texture, [0, 0, 255, 255]));
      const rectangle = { x: 10, y: 7, width: 21, height: 9 };
      expectOk(guest.gpu.flushResource(1, rectangle));
      settle(guest);
      expect(guest.display!.updates()).toEqual([rectangle]);
      const blue = new Uint32Array(rectangle.width * rectangle.height).fill(0x0000ff);
      expectShown(guest, 0, width, height, paste(red, width, rectangle, blue));
    }));

  test("may be larger than what is shown of it", () =>
    with3d((guest) => {
      const texture = makeTexture(guest, 1, width, height);
      const picture = pattern(width, height);
      upload(guest, texture, picture);
      const rectangle = { x: 11, y: 6, width: 30, height: 20 };
      expectOk(guest.gpu.setScanout(0, 1, rectangle));
      expectOk(guest.gpu.flushResource(1, whole));
      expectShown(guest, 0, 30, 20, crop(picture, width, rectangle));
    }));

  test("may be on two scanouts", () =>
    with3d((guest) => {
      const texture = makeTexture(guest, 1, width, height);
      draw(guest, (stream) => clearTo(stream, texture, [1, 2, 3, 255]));
      show(guest, texture, 0);
      show(guest, texture, 3);
      for (const scanout of [0, 3]) {
        expectShown(guest, scanout, width, height, new Uint32Array(width * height).fill(0x010203));
      }
    }));

  test("flips with another, each frame as it was drawn", () =>
    with3d((guest) => {
      const buffers = [makeTexture(guest, 1, width, height), makeTexture(guest, 2, width, height)];
      for (let frame = 1; frame <= 60; frame++) {
        const buffer = buffers[frame % 2]!;
        const colour = [frame * 4, 255 - frame, frame ^ 0x55] as const;
        draw(guest, (stream) => clearTo(stream, buffer, [...colour, 255]));
        show(guest, buffer);
        const [red, green, blue] = colour;
        const expected = new Uint32Array(width * height).fill(bgra(red, green, blue));
        expectShown(guest, 0, width, height, expected);
      }
    }));

  test("goes dark when it is unreferenced, also with its context gone before", () =>
    with3d((guest) => {
      const texture = makeTexture(guest, 1, width, height);
      show(guest, texture);
      expectOk(guest.gpu.destroyContext(1));
      expectShown(guest, 0, width, height, new Uint32Array(width * height));
      expectOk(guest.gpu.unrefResource(1));
      expectOff(guest, 0);
    }));

  test("must be a picture: no buffer, depth, array, 3D or multisampled texture", () =>
    with3d((guest) => {
      const { BUFFER, TEXTURE_3D, TEXTURE_2D_ARRAY } = virgl.Target;
      const others = [
        { target: BUFFER, format: virgl.VirglFormat.R8_UNORM, bind: virgl.Bind.VERTEX_BUFFER, height: 1 },
        { format: S8_UINT_Z24_UNORM, bind: virgl.Bind.DEPTH_STENCIL },
        { format: virgl.VirglFormat.B5G6R5_UNORM },
        { target: TEXTURE_2D_ARRAY, arraySize: 2 },
        { target: TEXTURE_3D, depth: 2 },
        { samples: 4, bind: virgl.Bind.RENDER_TARGET },
      ];
      others.forEach((extra, at) => {
        makeTexture(guest, at + 1, width, extra.height ?? height, extra);
        expectType(
          guest.gpu.setScanout(0, at + 1, { x: 0, y: 0, width: 1, height: 1 }),
          ERR_INVALID_PARAMETER,
        );
      });
    }));
});

describe("a 2D resource in a context", () => {
  for (const [name, format] of Object.entries(Format)) {
    test(`of ${name} keeps its content, and its picture on the scanout`, () =>
      with3d((guest) => {
        const { gpu } = guest;
        const picture = pattern(width, height);
        const image = gpu.createImage(1, format, width, height);
        const bytes = picture.map((colour) => encode(colour, name));
        image.pixels.set(bytes);
        gpu.show(0, image);
        expectOk(gpu.attachResource(1, 1));
        expectShown(guest, 0, width, height, picture);
        image.pixels.fill(0);
        expectOk(gpu.transferFromHost3d(1, 1, { box: rectangleBox(0, 0, width, height) }));
        expect(image.pixels).toEqual(bytes);

        // What the CPU brings afterwards is shown as before.
        const next = pattern(width, height, 7);
        image.pixels.set(next.map((colour) => encode(colour, name)));
        gpu.present(image);
        expectShown(guest, 0, width, height, next);
      }));
  }

  test("is read by the GPU as the CPU left it, before and after", () =>
    with3d((guest) => {
      const { gpu } = guest;
      const copy = makeTexture(guest, 2, width, height, { format: B8G8R8X8_UNORM });
      const image = gpu.createImage(1, B8G8R8X8_UNORM, width, height);
      const take = () => {
        const source = { resourceId: 1, box: rectangleBox(0, 0, width, height) };
        draw(guest, (stream) => virgl.resourceCopyRegion(stream, { resourceId: 2 }, source));
        return download(guest, copy).map((pixel) => pixel & 0xffffff);
      };
      const first = pattern(width, height);
      image.pixels.set(first);
      expectOk(gpu.transferToHost2d(1, whole));
      expectOk(gpu.attachResource(1, 1));
      expect([...take()]).toEqual([...first]);

      const rectangle = { x: 9, y: 8, width: 30, height: 7 };
      const second = pattern(width, height, 5);
      image.pixels.set(second);
      expectOk(gpu.transferToHost2d(1, rectangle, (8 * width + 9) * 4));
      expect([...take()]).toEqual([...paste(first, width, rectangle, crop(second, width, rectangle))]);
    }));

  test("takes what its backing holds of a transfer of more", () =>
    with3d((guest) => {
      const { gpu } = guest;
      const picture = pattern(width, height);
      for (const [id, lacking] of [0, 1, 7, width, width + 3, width * height - 1, width * height].entries()) {
        const resourceId = id + 1;
        const image = gpu.createImage(resourceId, B8G8R8X8_UNORM, width, height);
        image.pixels.fill(0x11_2233);
        expectOk(gpu.transferToHost2d(resourceId, whole));
        expectOk(gpu.attachResource(1, resourceId));
        image.pixels.set(picture);
        expectOk(gpu.transferToHost2d(resourceId, whole, lacking * 4));
        for (const beyond of [2n ** 32n, 2n ** 64n - 4n])
          expectOk(gpu.transferToHost2d(resourceId, whole, beyond));
        const expected = new Uint32Array(width * height).fill(0x11_2233);
        expected.set(picture.subarray(lacking));
        expectOk(gpu.setScanout(0, resourceId, whole));
        expectShown(guest, 0, width, height, expected);
      }
    }));

  test("shows what the GPU drew into it, and gives it back", () =>
    with3d((guest) => {
      const { gpu } = guest;
      const image = gpu.createImage(1, Format.B8G8R8A8, width, height);
      image.pixels.set(pattern(width, height));
      gpu.show(0, image);
      expectOk(gpu.attachResource(1, 1));
      draw(guest, (stream) => clearTo(stream, image, [40, 50, 60, 70]));
      const rectangle = { x: 0, y: 20, width, height: 10 };
      expectOk(gpu.flushResource(1, rectangle));
      const drawn = new Uint32Array(width * 10).fill(0x28323c);
      expectShown(guest, 0, width, height, paste(pattern(width, height), width, rectangle, drawn));
      expectOk(gpu.transferFromHost3d(1, 1, { box: rectangleBox(0, 0, width, height) }));
      expect(image.pixels).toEqual(new Uint32Array(width * height).fill(bgra(40, 50, 60, 70)));
    }));

  test("without any content is all zeros", () =>
    with3d((guest) => {
      const { gpu } = guest;
      expectOk(gpu.createResource2d(1, Format.B8G8R8A8, width, height));
      expectOk(gpu.attachResource(1, 1));
      const backing = guest.memory.allocate(width * height * 4);
      backing.bytes.fill(0xee);
      expectOk(gpu.attachBacking(1, [backing]));
      expectOk(gpu.transferFromHost3d(0, 1, { box: rectangleBox(0, 0, width, height) }));
      expect(backing.words).toEqual(new Uint32Array(width * height));
    }));

  test("is shown for the first time when it is in the renderer already", () =>
    with3d((guest) => {
      const { gpu } = guest;
      const image = gpu.createImage(1, Format.B8G8R8X8, width, height);
      expectOk(gpu.attachResource(1, 1));
      image.pixels.set(pattern(width, height, 2));
      gpu.show(0, image);
      expectShown(guest, 0, width, height, pattern(width, height, 2));
    }));

  test("goes on when it is detached, and when the context is destroyed", () =>
    with3d((guest) => {
      const { gpu } = guest;
      const image = gpu.createImage(1, Format.B8G8R8X8, width, height);
      gpu.show(0, image);
      expectOk(gpu.attachResource(1, 1));
      expectOk(gpu.detachResource(1, 1));
      image.pixels.set(pattern(width, height, 1));
      gpu.present(image);
      expectShown(guest, 0, width, height, pattern(width, height, 1));
      expectOk(gpu.attachResource(1, 1));
      expectOk(gpu.destroyContext(1));
      image.pixels.set(pattern(width, height, 2));
      gpu.present(image);
      expectShown(guest, 0, width, height, pattern(width, height, 2));
      expectOk(gpu.unrefResource(1));
      expectOff(guest, 0);
    }));
});

describe("a cursor", () => {
  const arrow = new Uint32Array(64 * 64);
  drawArrow(arrow);
  const shown = (guest: SyntheticGuest) => {
    const cursor = guest.display!.cursors[0]!;
    return cursor.visible ? cursor.pixels : null;
  };

  for (const flags of [0, resourceFlagY0Top]) {
    test(`from a 3D resource with flags ${flags}`, () =>
      with3d((guest) => {
        const bind = virgl.Bind.RENDER_TARGET | virgl.Bind.CURSOR;
        const texture = makeTexture(guest, 1, 64, 64, { flags, bind });
        upload(guest, texture, arrow);
        expectOk(guest.gpu.updateCursor({ scanoutId: 0, x: 30, y: 40 }, 1, 3, 4));
        guest.pump.until(() => shown(guest) !== null, "a cursor");
        expect(guest.display!.cursors[0]).toMatchObject({ visible: true, x: 30, y: 40, hotX: 3, hotY: 4 });
        expect(shown(guest)).toEqual(arrow);
      }));
  }

  test("takes what the GPU drew just before", () =>
    with3d((guest) => {
      const texture = makeTexture(guest, 1, 64, 64);
      for (let turn = 1; turn <= 20; turn++) {
        draw(guest, (stream) => clearTo(stream, texture, [turn, 2 * turn, 3 * turn, 128]));
        expectOk(guest.gpu.updateCursor({ scanoutId: 0, x: turn, y: 0 }, 1));
        const colour = bgra(turn, 2 * turn, 3 * turn, 128);
        guest.pump.until(() => shown(guest)?.every((pixel) => pixel === colour) === true, `cursor ${turn}`);
      }
    }));

  test("from a 2D resource that moved into the renderer", () =>
    with3d((guest) => {
      const { gpu } = guest;
      const image = gpu.createImage(1, Format.B8G8R8A8, 64, 64);
      image.pixels.set(arrow);
      expectOk(gpu.transferToHost2d(1, areaOf(image)));
      expectOk(gpu.attachResource(1, 1));
      expectOk(gpu.updateCursor({ scanoutId: 0, x: 0, y: 0 }, 1));
      guest.pump.until(() => shown(guest) !== null, "a cursor");
      expect(shown(guest)).toEqual(arrow);
    }));

  test("must be a picture, and keeps the image of before where it is none of 64 by 64 pixels", () =>
    with3d((guest) => {
      makeTexture(guest, 1, 32, 64);
      expectOk(guest.gpu.updateCursor({ scanoutId: 0, x: 0, y: 0 }, 1));
      makeTexture(guest, 2, 64, 64, { format: virgl.VirglFormat.B5G6R5_UNORM });
      makeTexture(guest, 3, 64, 64, { format: S8_UINT_Z24_UNORM, bind: virgl.Bind.DEPTH_STENCIL });
      for (const id of [2, 3]) {
        expectType(guest.gpu.updateCursor({ scanoutId: 0, x: 0, y: 0 }, id), ERR_INVALID_PARAMETER);
      }
    }));
});
