// The renderer's view of guest memory: it follows the memory map, and what it writes is logged.

import { describe, expect, test } from "bun:test";
import { Response } from "../../src/transport/wire/virtio-gpu/protocol.ts";
import * as virgl from "../../lab/driver/virgl/index.ts";
import {
  bgra,
  boxOf,
  clearTo,
  draw,
  expectPixels,
  gradient,
  makeContext,
  patient,
  pictureBind,
  rectangleBox,
  upload,
  makeTexture,
  virglServer,
} from "./3d-support.ts";
import { expectOk, expectType, expectWorking, serveTests } from "./support.ts";

const { withDevice } = serveTests(...virglServer);
const extra = { guestAddress: 0x10_0000_0000, size: 1 << 20 };
const [width, height] = [32, 32];
const description = {
  resourceId: 1,
  target: virgl.Target.TEXTURE_2D,
  format: virgl.VirglFormat.B8G8R8A8_UNORM,
  bind: pictureBind,
  width,
  height,
};
const box = rectangleBox(0, 0, width, height);

describe("a backing whose region is unplugged", () => {
  test("is refused while it is gone, costs no context, and serves again when its pages are back", () =>
    withDevice(patient, (guest) => {
      const { gpu, memory } = guest;
      const region = guest.hotAdd(extra);
      const backing = memory.allocateIn(region, width * height * 4);
      makeContext(guest);
      expectOk(gpu.createResource3d(description));
      expectOk(gpu.attachResource(1, 1));
      expectOk(gpu.attachBacking(1, [backing]));
      backing.words.set(gradient(width, height));
      expectOk(gpu.transferToHost3d(1, 1, { box }));

      guest.hotRemove(region);
      expectType(gpu.transferToHost3d(1, 1, { box }), Response.ERR_UNSPEC);
      expectType(gpu.transferFromHost3d(1, 1, { box }), Response.ERR_UNSPEC);
      expectWorking(guest);
      draw(guest, (stream) => clearTo(stream, description, [1, 2, 3, 4]));

      expectOk(gpu.detachBacking(1));
      const again = memory.allocate(width * height * 4);
      expectOk(gpu.attachBacking(1, [again]));
      expectOk(gpu.transferFromHost3d(1, 1, { box }));
      expectPixels(again.words, width, () => bgra(1, 2, 3, 4));
    }));

  test("also of a 2D resource that moved into the renderer", () =>
    withDevice(patient, (guest) => {
      const { gpu, memory } = guest;
      const region = guest.hotAdd(extra);
      const backing = memory.allocateIn(region, width * height * 4);
      makeContext(guest);
      expectOk(gpu.createResource2d(1, description.format, width, height));
      expectOk(gpu.attachBacking(1, [backing]));
      expectOk(gpu.attachResource(1, 1));
      guest.hotRemove(region);
      expectType(gpu.transferToHost2d(1, { x: 0, y: 0, width, height }), Response.ERR_UNSPEC);
      expectWorking(guest);
    }));
});

test("backings follow a whole new memory table", () =>
  withDevice({ ...patient, memorySlots: false }, (guest) => {
    makeContext(guest);
    const texture = makeTexture(guest, 1, width, height);
    upload(guest, texture, gradient(width, height, 1));
    guest.frontend.setMemTable(guest.memory.regions);
    texture.pixels.fill(0);
    expectOk(guest.gpu.transferFromHost3d(1, 1, { box: boxOf(texture) }));
    const expected = gradient(width, height, 1);
    expectPixels(texture.pixels, width, (x, y) => expected[y * width + x]);
  }));

test("pages that a transfer from the host writes are marked in the dirty log", () =>
  withDevice(patient, (guest) => {
    makeContext(guest);
    const backing = guest.memory.allocate(3 * 4096, 4096);
    expectOk(guest.gpu.createResource3d(description));
    expectOk(guest.gpu.attachBacking(1, [{ address: backing.address + 4096, length: 4096 }]));
    const log = guest.logDirtyPages();
    // SET_FEATURES has no answer: one that comes after it says that it was done.
    guest.frontend.getFeatures();
    const isMarked = (page: number): boolean => {
      const at = Math.floor(backing.address / 4096) + page;
      return (log.bits[at >>> 3]! & (1 << (at & 7))) !== 0;
    };
    expectOk(guest.gpu.transferToHost3d(0, 1, { box }));
    expect([0, 1, 2].map(isMarked)).toEqual([false, false, false]);
    expectOk(guest.gpu.transferFromHost3d(0, 1, { box }));
    expect([0, 1, 2].map(isMarked)).toEqual([false, true, false]);
    log.stop();
  }));
