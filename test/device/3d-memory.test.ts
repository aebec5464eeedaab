// The renderer's view of guest memory: it follows the memory map, and what it writes is logged.

import { describe, expect, test } from "bun:test";
import { ServerProcess } from "../../lab/vmm/server-process.ts";
import { logDirtyPages } from "../../lab/driver/dirty-log.ts";
import type { GuestRange } from "../../lab/driver/guest-memory.ts";
import { SyntheticGuest } from "../../lab/driver/synthetic-guest.ts";
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
  rangeBox,
  rectangleBox,
  run,
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

/** Makes a buffer that the renderer keeps in its backing: what queries write their results into. */
function makeCustomBuffer(guest: SyntheticGuest, resourceId: number, backing: readonly GuestRange[]): void {
  const bytes = backing.reduce((sum, { length }) => sum + length, 0);
  expectOk(
    guest.gpu.createResource3d({
      resourceId,
      target: virgl.Target.BUFFER,
      format: virgl.VirglFormat.R8_UNORM,
      bind: virgl.Bind.CUSTOM,
      width: bytes,
    }),
  );
  expectOk(guest.gpu.attachBacking(resourceId, backing));
}

describe("a query's buffer", () => {
  /** A query of context 1 that has a result, of buffer 1. */
  const askQuery = (guest: SyntheticGuest): void => {
    expectOk(guest.gpu.attachResource(1, 1));
    draw(guest, (stream) => {
      virgl.createQuery(stream, 7, 1);
      virgl.beginQuery(stream, 7);
      virgl.endQuery(stream, 7);
    });
  };
  const isDone = 1;
  /** Asks for the result, and waits until the renderer has it: once a fence behind it is done. */
  const getResult = (guest: SyntheticGuest): void => {
    run(guest, (stream) => virgl.getQueryResult(stream, 7));
    guest.gpu.submit3d(1, new Uint8Array(4), { fenceId: 1n });
  };

  test("gets the result", () =>
    withDevice(patient, (guest) => {
      makeContext(guest);
      const backing = guest.memory.allocate(4096, 4096);
      makeCustomBuffer(guest, 1, [backing]);
      askQuery(guest);
      getResult(guest);
      expect(backing.words[0]).toBe(isDone);
    }));

  const endings: [string, (guest: SyntheticGuest) => void][] = [
    ["UNREF", ({ gpu }) => expectOk(gpu.unrefResource(1))],
    ["DETACH_BACKING", ({ gpu }) => expectOk(gpu.detachBacking(1))],
    [
      "DETACH_BACKING and CTX_DETACH_RESOURCE",
      ({ gpu }) => {
        expectOk(gpu.detachBacking(1));
        expectOk(gpu.detachResource(1, 1));
      },
    ],
  ];
  for (const [name, end] of endings) {
    test(`is not written into after ${name}`, () =>
      withDevice(patient, (guest) => {
        makeContext(guest);
        const backing = guest.memory.allocate(128 * 8192, 4096);
        const pieces = Array.from({ length: 128 }, (_, at) => ({
          address: backing.address + at * 8192,
          length: 4096,
        }));
        makeCustomBuffer(guest, 1, pieces);
        askQuery(guest);
        end(guest);
        // Memory of the same size goes to others now.
        for (let id = 2; id < 20; id++) makeCustomBuffer(guest, id, pieces);
        backing.bytes.fill(0);
        getResult(guest);
        expect(backing.words.every((word) => word === 0)).toBe(true);
        expectWorking(guest);
      }));
  }

  test("keeps its content while other memory is unplugged, and goes on with a new table", () =>
    withDevice({ ...patient, memorySlots: false }, (guest) => {
      makeContext(guest);
      const backing = guest.memory.allocate(65_536, 4096);
      makeCustomBuffer(guest, 1, [backing]);
      backing.bytes.fill(0x5a);
      guest.frontend.setMemTable(guest.memory.regions);
      expect(backing.bytes.every((byte) => byte === 0x5a)).toBe(true);
      askQuery(guest);
      getResult(guest);
      expect(backing.words[0]).toBe(isDone);
    }));

  test("may be unplugged", () =>
    withDevice(patient, (guest) => {
      makeContext(guest);
      const region = guest.hotAdd(extra);
      makeCustomBuffer(guest, 1, [guest.memory.allocateIn(region, 65_536)]);
      askQuery(guest);
      guest.hotRemove(region);
      getResult(guest);
      expectWorking(guest);
      expectOk(guest.gpu.unrefResource(1));
    }));

  test("is left alone by a server that is stopped while the guest runs", async () => {
    const server = await ServerProcess.start({ args: virglServer });
    const guest = SyntheticGuest.boot(server.socketPath, patient);
    try {
      makeContext(guest);
      makeCustomBuffer(guest, 1, [guest.memory.allocate(65_536, 4096)]);
      askQuery(guest);
      process.kill(server.pid, "SIGTERM");
      expect(await server.exited).toBe(0);
    } finally {
      guest.close();
      await server.stop();
    }
  });
});

describe("the dirty log", () => {
  /** The pages of `range` that are marked, counted from its first; and how many are marked anywhere. */
  function logPages(guest: SyntheticGuest, range: GuestRange) {
    const log = logDirtyPages(guest);
    // SET_FEATURES has no answer: one that comes after it says that it was done.
    guest.frontend.getFeatures();
    // What the ring and the answers have marked by now is marked again by what follows.
    expectWorking(guest);
    const first = Math.floor(range.address / 4096);
    const isMarked = (page: number): boolean => (log.bits[page >>> 3]! & (1 << (page & 7))) !== 0;
    return {
      marked: () =>
        Array.from({ length: Math.ceil(range.length / 4096) }, (_, at) => at).filter((at) =>
          isMarked(first + at),
        ),
      count: () => log.bits.reduce((sum, byte) => sum + byte.toString(2).replaceAll("0", "").length, 0),
      stop: log.stop,
    };
  }

  test("has the pages that a transfer from the host writes", () =>
    withDevice(patient, (guest) => {
      makeContext(guest);
      const backing = guest.memory.allocate(3 * 4096, 4096);
      expectOk(guest.gpu.createResource3d(description));
      expectOk(guest.gpu.attachBacking(1, [{ address: backing.address + 4096, length: 4096 }]));
      const log = logPages(guest, backing);
      expectOk(guest.gpu.transferToHost3d(0, 1, { box }));
      expect(log.marked()).toEqual([]);
      expectOk(guest.gpu.transferFromHost3d(0, 1, { box }));
      expect(log.marked()).toEqual([1]);
      log.stop();
    }));

  test("has no page of the backing that a transfer does not write", () =>
    withDevice(patient, (guest) => {
      makeContext(guest);
      const backing = guest.memory.allocate(40 * 4096, 4096);
      expectOk(guest.gpu.createResource3d(description));
      expectOk(guest.gpu.attachBacking(1, [backing]));
      const log = logPages(guest, backing);
      // Rows of the second transfer lie four pages apart.
      expectOk(guest.gpu.transferFromHost3d(0, 1, { box, offset: 2 * 4096 }));
      expect(log.marked()).toEqual([2]);
      const rows = rectangleBox(0, 0, width, 8);
      expectOk(guest.gpu.transferFromHost3d(0, 1, { box: rows, offset: 5 * 4096 + 4000, stride: 4 * 4096 }));
      const expected = Array.from({ length: 8 }, (_, row) => [5 + row * 4, 6 + row * 4]).flat();
      expect(log.marked()).toEqual([2, ...expected]);
      log.stop();
    }));

  test("costs as much as is written, not as much as the backing names", () => {
    const memory = [
      { guestAddress: 0, size: 64 << 20 },
      { guestAddress: 2 ** 32, size: 256 << 20 },
    ];
    return withDevice({ ...patient, memory }, (guest) => {
      makeContext(guest);
      expectOk(guest.gpu.createResource3d(description));
      // Each entry is a run of its own.
      const entry = { address: 2 ** 32, length: (256 << 20) - 4096 };
      expectOk(
        guest.gpu.attachBacking(
          1,
          Array.from({ length: 1024 }, () => entry),
        ),
      );
      const log = logPages(guest, entry);
      const before = log.count();
      expectOk(guest.gpu.transferFromHost3d(0, 1, { box }));
      expect(log.marked()).toEqual([0]);
      expect(log.count() - before).toBe(1);
      log.stop();
    });
  });

  test("has what the renderer brings into the backing that a buffer gets", () =>
    withDevice(patient, (guest) => {
      const backing = guest.memory.allocate(4 * 4096, 4096);
      makeCustomBuffer(guest, 1, [backing]);
      expectOk(guest.gpu.detachBacking(1));
      const log = logPages(guest, backing);
      expectOk(guest.gpu.attachBacking(1, [{ address: backing.address, length: 3 * 4096 }]));
      expect(log.marked()).toEqual([0, 1, 2]);
      log.stop();
    }));

  /** What a stream does, and the pages of an area of 8 that it writes: pages 0 to 3 back picture 1, 4 to 7 buffer 2. */
  const streams: [string, (stream: virgl.CommandStream) => void, number[]][] = [
    ["nothing", () => {}, []],
    ["a clear", (stream) => clearTo(stream, description, [1, 2, 3, 4]), []],
    ["a transfer to the host", (stream) => virgl.transfer3d(stream, "to-host", { resourceId: 1, box }), []],
    [
      "a transfer from the host",
      (stream) => virgl.transfer3d(stream, "from-host", { resourceId: 1, box, offset: 8192 }),
      [2],
    ],
    [
      "a transfer from the host with its rows apart",
      (stream) =>
        virgl.transfer3d(stream, "from-host", {
          resourceId: 1,
          box: rectangleBox(0, 0, width, 2),
          stride: 12_288,
        }),
      [0, 3],
    ],
    [
      "a copy from the host into another's backing",
      (stream) => virgl.copyTransfer3d(stream, "from-host", { resourceId: 1, box, offset: 4096 }, 2),
      [5],
    ],
    [
      "a copy to the host from another's backing",
      (stream) => virgl.copyTransfer3d(stream, "to-host", { resourceId: 1, box, offset: 4096 }, 2),
      [],
    ],
    [
      "a transfer to the host of a buffer that lies in its backing",
      (stream) => virgl.transfer3d(stream, "to-host", { resourceId: 2, box: rangeBox(8192, 64) }),
      [6],
    ],
    [
      "an inline write to a buffer that lies in its backing",
      (stream) =>
        virgl.resourceInlineWrite(
          stream,
          { resourceId: 2, box: rangeBox(12_288, 4) },
          Uint8Array.of(1, 2, 3, 4),
        ),
      [7],
    ],
    ["a query's result", (stream) => virgl.getQueryResult(stream, 7), [4]],
  ];
  for (const [name, write, pages] of streams) {
    test(`has the pages that ${name} in a stream writes`, () =>
      withDevice(patient, (guest) => {
        makeContext(guest);
        const backing = guest.memory.allocate(8 * 4096, 4096);
        expectOk(guest.gpu.createResource3d(description));
        expectOk(guest.gpu.attachResource(1, 1));
        expectOk(guest.gpu.attachBacking(1, [backing.slice(0, 4 * 4096)]));
        makeCustomBuffer(guest, 2, [backing.slice(4 * 4096, 4 * 4096)]);
        expectOk(guest.gpu.attachResource(1, 2));
        draw(guest, (stream) => {
          virgl.createQuery(stream, 7, 2);
          virgl.beginQuery(stream, 7);
          virgl.endQuery(stream, 7);
        });
        backing.bytes.fill(0);
        const log = logPages(guest, backing);
        draw(guest, write);
        guest.gpu.submit3d(1, new Uint8Array(4), { fenceId: 1n });
        expect(log.marked()).toEqual(pages);
        log.stop();
      }));
  }

  test("has a query's result that comes after the stream that asked for it", () =>
    withDevice(patient, (guest) => {
      makeContext(guest);
      const backing = guest.memory.allocate(4096, 4096);
      makeCustomBuffer(guest, 2, [backing]);
      expectOk(guest.gpu.attachResource(1, 2));
      draw(guest, (stream) => {
        virgl.createQuery(stream, 7, 2);
        virgl.beginQuery(stream, 7);
        virgl.endQuery(stream, 7);
        virgl.getQueryResult(stream, 7);
      });
      expect(backing.words[0]).toBe(0);
      const log = logPages(guest, backing);
      expect(log.marked()).toEqual([]);
      guest.gpu.submit3d(1, new Uint8Array(4), { fenceId: 1n });
      expect(backing.words[0]).toBe(1);
      expect(log.marked()).toEqual([0]);
      log.stop();
    }));

  test("has what a transfer to the host moves inside of a buffer's backing", () =>
    withDevice(patient, (guest) => {
      const backing = guest.memory.allocate(4 * 4096, 4096);
      makeCustomBuffer(guest, 1, [backing]);
      backing.bytes.fill(7, 0, 100);
      const log = logPages(guest, backing);
      expectOk(guest.gpu.transferToHost3d(0, 1, { box: rangeBox(2 * 4096, 100), offset: 0 }));
      expect(backing.bytes[2 * 4096]).toBe(7);
      expect(log.marked()).toEqual([2]);
      log.stop();
    }));
});
