// What every renderer does alike: libvirglrenderer, none at all, and the one that tests script.

import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { Backing } from "../../src/actors/gpu/renderer/backing.ts";
import type { BlobShape } from "../../src/actors/gpu/renderer/blob.ts";
import { NullRenderer } from "../../src/actors/gpu/renderer/null/null-renderer.ts";
import type { Renderer } from "../../src/actors/gpu/renderer/renderer.ts";
import type { SharedPixels } from "../../src/actors/gpu/renderer/shared-pixels.ts";
import { Target, type Transfer } from "../../src/actors/gpu/renderer/transfer.ts";
import { startVirgl } from "../../src/actors/gpu/renderer/virgl/start.ts";
import { Request } from "../../src/actors/queue/request.ts";
import { EFAULT, EINVAL } from "../../src/ffi/libc.ts";
import { closeFd, createMemfd } from "../../src/transport/os/fds.ts";
import { NativeMemory } from "../../src/transport/os/native-memory.ts";
import { DirtyLog } from "../../src/transport/virtio/dirty-log.ts";
import { MemoryMap } from "../../src/transport/virtio/memory-map.ts";
import { BlobFlag, BlobMem, Capset, Feature, Format } from "../../src/transport/wire/virtio-gpu/protocol.ts";
import { GuestMemory, type GuestRange } from "../../lab/driver/guest-memory.ts";
import { tableOf } from "../support/guest-map.ts";
import { mayLeave } from "../support/leaks.ts";
import { ScriptedRenderer } from "../support/scripted-renderer.ts";

// Drivers keep their shader cache and what they compiled.
mayLeave(/^mapping of \/(?:memfd|dev)\b/);

const page = 4096;
const region = 256 * page;
const request = new Request(page);
const guest = new GuestMemory([
  { guestAddress: 0, size: region },
  { guestAddress: 2 * region, size: region },
]);
const memory = new MemoryMap();
const table = tableOf(guest.regions);
memory.replace(table);
afterAll(() => {
  memory.clear();
  guest.free();
  request.close();
});

const kinds: [string, () => Renderer][] = [
  ["libvirglrenderer", startOfVirgl],
  ["no renderer", () => new NullRenderer()],
  ["the scripted renderer", () => new ScriptedRenderer(request.arena)],
];

function startOfVirgl(): Renderer {
  return startVirgl({
    arena: request.arena,
    renderNode: undefined,
    verbose: false,
    backingPiecesMax: 1000,
    limits: { subContexts: 4, objects: 100, glContexts: 20, totalObjects: 300, objectBytes: 4000 },
    venus: {
      renderServer: undefined,
      isForced: true,
      outputFd: 2,
      contextsMax: 2,
      stallMs: 10_000,
      processBytesMax: 0,
      sandbox: "auto",
    },
  }).renderer;
}

const [width, height] = [8, 8];
/** RESOURCE_CREATE_3D's words of a picture. */
const picture = [Target.TEXTURE_2D, Format.B8G8R8A8, 2 | 8, width, height, 1, 1, 0, 0, 0];
const bytes = width * height * 4;

function backingOf(...ranges: GuestRange[]): Backing {
  const words = Uint32Array.from(
    ranges.flatMap(({ address, length }) => [address % 2 ** 32, Math.floor(address / 2 ** 32), length, 0]),
  );
  return Backing.read(memory, words, 0, ranges.length)!;
}

const box = (x: number, y: number, w: number, h: number, offset = 0, stride = 0): Transfer => ({
  words: [x, y, 0, w, h, 1],
  at: 0,
  level: 0,
  stride,
  layerStride: 0,
  offset,
});
const all = box(0, 0, width, height);

const blobOf = (mem: number): BlobShape => ({
  ...{ mem, flags: BlobFlag.MAPPABLE, size: 2 * page },
  ...{ idLow: 0, idHigh: 0 },
});

class Shared implements SharedPixels {
  readonly size = page;
  readonly stride = width * 4;
  readonly fd = createMemfd("contract-pixels", this.size);
  onGone: (() => void) | null = null;
  private readonly memory = NativeMemory.mapShared(this.fd, 0, this.size, "write");
  readonly words = new Uint32Array(this.memory.view());

  close(): void {
    this.onGone?.();
    this.memory.unmap();
    closeFd(this.fd);
  }
}

for (const [name, start] of kinds) {
  describe(name, () => {
    let renderer: Renderer;
    beforeAll(() => {
      renderer = start();
    });
    afterAll(() => renderer.close());

    const has3d = (): boolean => (renderer.features & (1 << Feature.VIRGL)) !== 0;

    test("has capability sets if it does 3D, and only then", () => {
      expect(renderer.capsets.length > 0).toBe(has3d());
      for (const capset of renderer.capsets) expect(capset.bytes).toBeGreaterThan(0);
    });

    test("refuses what it does not know, and does not mind that it goes", () => {
      expect(renderer.transfer("to-host", 99, 0, all)).not.toBe(0);
      expect(renderer.transfer("from-host", 99, 0, all)).not.toBe(0);
      expect(renderer.attachBacking(99, backingOf(guest.allocate(page)))).not.toBe(0);
      expect(renderer.submit(99, 0, 4)).not.toBe(0);
      expect(renderer.createContextFence(99, 0, 1)).not.toBe(0);
      const pixels = new Shared();
      expect(renderer.copyPixels("from-host", 99, 0, 0, 1, 1, pixels)).not.toBe(0);
      pixels.close();
      expect(renderer.exportDmabuf(99)).toBeNull();
      expect(renderer.exportBlob(99)).toBeNull();
      expect(renderer.createBlob(99, 99, blobOf(BlobMem.HOST3D), null)).not.toBe(0);
      renderer.detachBacking(99);
      renderer.unrefResource(99);
      renderer.destroyContext(99);
      renderer.attachResource(99, 99);
      renderer.detachResource(99, 99);
      renderer.memoryChanging([{ start: 0, end: region }]);
      renderer.memoryChanged();
      renderer.flush();
    });

    test("reports no fence that was not made", () => {
      const reported: number[] = [];
      renderer.onFence = (fence) => reported.push(fence);
      renderer.poll();
      expect(reported).toEqual([]);
    });
  });
}

for (const [name, start] of kinds.filter(([, one]) => one !== kinds[1]![1])) {
  describe(`${name}, in 3D`, () => {
    let renderer: Renderer;
    beforeAll(() => {
      renderer = start();
    });
    afterEach(() => {
      for (let id = 1; id <= 3; id++) renderer.unrefResource(id);
      renderer.destroyContext(1);
    });
    afterAll(() => renderer.close());

    /** Resource 1 with two pages of backing. */
    function makePicture(): { backing: Backing; words: Uint32Array; range: GuestRange } {
      expect(renderer.createResource(1, picture)).toBe(0);
      const area = guest.allocate(2 * page, page);
      const backing = backingOf(area);
      expect(renderer.attachBacking(1, backing)).toBe(0);
      return { backing, words: area.words, range: area };
    }

    const gradient = Uint32Array.from({ length: width * height }, (_, at) => 0x0101_0101 * at);

    test("fills a capset where it is told to, and nothing before or behind", () => {
      const [capset] = renderer.capsets;
      const room = request.responseBytes(0, request.responseWords.byteLength);
      room.fill(0);
      renderer.fillCapset(capset!.id, capset!.maxVersion, request.responseAt + 24);
      expect(room.subarray(24, 24 + capset!.bytes).some((byte) => byte !== 0)).toBe(true);
      expect(room.subarray(0, 24).every((byte) => byte === 0)).toBe(true);
      expect(room.subarray(24 + capset!.bytes).every((byte) => byte === 0)).toBe(true);
    });

    test("makes a context once, and again when it is gone", () => {
      expect(renderer.createContext(1, 0, 0, 4)).toBe(0);
      expect(renderer.createContext(1, 0, 0, 4)).not.toBe(0);
      renderer.destroyContext(1);
      expect(renderer.createContext(1, renderer.capsets[0]!.id, 0, 64)).toBe(0);
    });

    test("makes a resource once, and again when it is gone", () => {
      expect(renderer.createResource(1, picture)).toBe(0);
      expect(renderer.createResource(1, picture)).not.toBe(0);
      renderer.unrefResource(1);
      expect(renderer.createResource(1, picture)).toBe(0);
    });

    test("brings pixels there and back", () => {
      const { words } = makePicture();
      words.set(gradient);
      expect(renderer.transfer("to-host", 1, 0, all)).toBe(0);
      words.fill(0);
      expect(renderer.transfer("from-host", 1, 0, all)).toBe(0);
      expect(words.slice(0, 64)).toEqual(gradient);
      expect(words.slice(64).every((word) => word === 0)).toBe(true);
    });

    test("brings a part of them to where it is told, row by row", () => {
      const { words } = makePicture();
      words.set(gradient);
      expect(renderer.transfer("to-host", 1, 0, all)).toBe(0);
      words.fill(0);
      expect(renderer.transfer("from-host", 1, 0, box(2, 3, 4, 2, 400, 100))).toBe(0);
      const expected = new Uint32Array(words.length);
      for (let row = 0; row < 2; row++) {
        expected.set(gradient.subarray((3 + row) * width + 2, (3 + row) * width + 6), 100 + row * 25);
      }
      expect(words.slice()).toEqual(expected);
    });

    test("takes pixels from pieces, wherever they are", () => {
      expect(renderer.createResource(1, picture)).toBe(0);
      const area = guest.allocate(page, page);
      const pieces = Array.from({ length: 4 }, (_, at) => ({
        address: area.address + (3 - at) * 512,
        length: bytes / 4,
      }));
      expect(renderer.attachBacking(1, backingOf(...pieces))).toBe(0);
      guest.scatter(new Uint8Array(gradient.buffer), pieces);
      expect(renderer.transfer("to-host", 1, 0, all)).toBe(0);
      area.bytes.fill(0);
      expect(renderer.transfer("from-host", 1, 0, all)).toBe(0);
      expect(guest.gather(pieces)).toEqual(new Uint8Array(gradient.buffer));
    });

    const outside: [string, Transfer][] = [
      ["right of the picture", box(1, 0, width, 1)],
      ["below the picture", box(0, 1, 1, height)],
      ["far away", box(0xffff_ffff, 0, 2, 1)],
      ["behind the backing", box(0, 0, width, height, 2 * page - bytes + 1)],
      ["in rows that overlap", box(0, 0, width, 2, 0, 4)],
      ["in rows between pixels", box(0, 0, 1, 2, 0, 5)],
      ["in a level that there is not", { ...all, level: 1 }],
      ["in a layer that there is not", { ...all, words: [0, 0, 1, 1, 1, 1] }],
    ];
    for (const [where, what] of outside) {
      test(`copies nothing ${where}`, () => {
        const { words } = makePicture();
        words.fill(0x5a5a_5a5a);
        expect(renderer.transfer("from-host", 1, 0, what)).toBe(EINVAL);
        expect(renderer.transfer("to-host", 1, 0, what)).toBe(EINVAL);
        expect(words.every((word) => word === 0x5a5a_5a5a)).toBe(true);
      });
    }

    test("copies nothing of an empty box, wherever it is", () => {
      makePicture();
      expect(renderer.transfer("from-host", 1, 0, box(width, height, 0, 0, 2 * page))).toBe(0);
    });

    test("copies nothing without a backing", () => {
      makePicture();
      renderer.detachBacking(1);
      expect(renderer.transfer("from-host", 1, 0, all)).toBe(EINVAL);
    });

    test("lets go of memory that is unmapped, and has it again when it is back", () => {
      expect(renderer.createResource(1, picture)).toBe(0);
      const area = guest.regions[1]!.allocate(page, page)!;
      expect(renderer.attachBacking(1, backingOf(area))).toBe(0);
      area.words.set(gradient);
      expect(renderer.transfer("to-host", 1, 0, all)).toBe(0);

      renderer.memoryChanging(memory.vanishing([table[0]!]));
      memory.replace([table[0]!]);
      renderer.memoryChanged();
      expect(renderer.transfer("from-host", 1, 0, all)).toBe(EFAULT);
      expect(renderer.transfer("to-host", 1, 0, all)).toBe(EFAULT);

      renderer.memoryChanging(memory.vanishing(table));
      memory.replace(table);
      renderer.memoryChanged();
      area.bytes.fill(0);
      expect(renderer.transfer("from-host", 1, 0, all)).toBe(0);
      expect(area.words.slice(0, 64)).toEqual(gradient);
    });

    test("marks the pages that it writes, and no others", () => {
      const { range } = makePicture();
      const fd = createMemfd("contract-log", page);
      const bits = NativeMemory.mapShared(fd, 0, page, "read");
      memory.dirtyLog = new DirtyLog(fd, 0, page);
      const isMarked = (at: number): boolean => {
        const number = Math.floor(range.address / page) + at;
        return (new Uint8Array(bits.view())[number >>> 3]! & (1 << (number & 7))) !== 0;
      };
      expect(renderer.transfer("to-host", 1, 0, all)).toBe(0);
      expect([isMarked(0), isMarked(1)]).toEqual([false, false]);
      expect(renderer.transfer("from-host", 1, 0, { ...all, offset: page })).toBe(0);
      expect([isMarked(0), isMarked(1)]).toEqual([false, true]);
      memory.dirtyLog.unmap();
      memory.dirtyLog = null;
      bits.unmap();
      closeFd(fd);
    });

    test("copies a rectangle between a picture and shared pixels", () => {
      expect(renderer.createResource(1, picture)).toBe(0);
      const pixels = new Shared();
      pixels.words.set(gradient);
      expect(renderer.copyPixels("to-host", 1, 0, 0, width, height, pixels)).toBe(0);
      pixels.words.fill(0);
      expect(renderer.copyPixels("from-host", 1, 2, 3, 4, 2, pixels)).toBe(0);
      const expected = new Uint32Array(pixels.words.length);
      for (const row of [3, 4]) {
        expected.set(gradient.subarray(row * width + 2, row * width + 6), row * width + 2);
      }
      expect(pixels.words.slice()).toEqual(expected);
      pixels.close();
      expect(pixels.onGone).toBeNull();
    });

    test("counts what it is given to do", () => {
      makePicture();
      const pixels = new Shared();
      expect(renderer.createContext(1, 0, 0, 0)).toBe(0);
      request.words[0] = 0;
      const grown = (work: () => number): boolean => {
        const before = renderer.epoch;
        expect(work()).toBe(0);
        return renderer.epoch > before;
      };
      expect(grown(() => renderer.transfer("to-host", 1, 0, all))).toBe(true);
      expect(grown(() => renderer.copyPixels("to-host", 1, 0, 0, width, height, pixels))).toBe(true);
      expect(grown(() => renderer.submit(1, 0, 4))).toBe(true);
      expect(grown(() => renderer.transfer("from-host", 1, 0, all))).toBe(false);
      expect(grown(() => renderer.copyPixels("from-host", 1, 0, 0, width, height, pixels))).toBe(false);
      pixels.close();
    });

    test("refuses a stream that ends inside of a command", () => {
      expect(renderer.createContext(1, 0, 0, 0)).toBe(0);
      request.words.set([0, 2 << 16, 0]);
      expect(renderer.submit(1, 0, 12)).toBe(EINVAL);
    });

    test("reports fences in the order of their numbers, each timeline for itself", () => {
      expect(renderer.createContext(1, 0, 0, 0)).toBe(0);
      const global: number[] = [];
      const ofContext: number[] = [];
      renderer.onFence = (fence) => global.push(fence);
      renderer.onContextFence = (context, ring, fence) => {
        expect([context, ring]).toEqual([1, 0]);
        ofContext.push(fence);
      };
      for (const fence of [11, 12, 14]) expect(renderer.createFence(fence)).toBe(0);
      for (const fence of [13, 15]) expect(renderer.createContextFence(1, 0, fence)).toBe(0);
      const deadline = Date.now() + 10_000;
      while ((global.at(-1) !== 14 || ofContext.at(-1) !== 15) && Date.now() < deadline) {
        renderer.poll();
        Bun.sleepSync(1);
      }
      expect(global.at(-1)).toBe(14);
      expect(ofContext.at(-1)).toBe(15);
      expect(global).toEqual(global.toSorted((a, b) => a - b));
      expect(ofContext).toEqual(ofContext.toSorted((a, b) => a - b));
    });
  });
}

/** Renderers that have host blobs, and the capset of the contexts that do. */
const ofBlobs: [string, () => Renderer, number][] = [
  ["the scripted renderer", kinds[2]![1], 0],
  ["venus", startOfVirgl, Capset.VENUS],
];

for (const [name, start, capset] of ofBlobs) {
  describe(`${name}, with blobs`, () => {
    let renderer: Renderer;
    beforeAll(() => {
      renderer = start();
      expect(renderer.createContext(1, capset, 0, 0)).toBe(0);
    });
    afterEach(() => renderer.unrefResource(1));
    afterAll(() => renderer.close());

    test("makes a blob of the host once, and again when it is gone", () => {
      expect(renderer.createBlob(1, 1, blobOf(BlobMem.HOST3D), null)).toBe(0);
      expect(renderer.createBlob(1, 1, blobOf(BlobMem.HOST3D), null)).not.toBe(0);
      renderer.unrefResource(1);
      expect(renderer.exportBlob(1)).toBeNull();
      expect(renderer.createBlob(1, 1, blobOf(BlobMem.HOST3D), null)).toBe(0);
    });

    test("shares one memory with all who ask for it, which they may map", () => {
      expect(renderer.createBlob(1, 1, blobOf(BlobMem.HOST3D), null)).toBe(0);
      const shared = [renderer.exportBlob(1)!, renderer.exportBlob(1)!];
      const [first, second] = shared.map(({ fd }) => NativeMemory.mapShared(fd, 0, 2 * page, "write"));
      expect(shared.map(({ kind }) => kind)).toEqual(["memory", "memory"]);
      new Uint8Array(first!.view())[page] = 7;
      expect(new Uint8Array(second!.view())[page]).toBe(7);
      for (const memory of [first!, second!]) memory.unmap();
      for (const { fd } of shared) closeFd(fd);
    });

    test("takes the pages of a guest, and lets go of them", () => {
      const backing = backingOf(guest.allocate(2 * page));
      expect(renderer.createBlob(1, 0, blobOf(BlobMem.GUEST), backing)).toBe(0);
      expect(renderer.exportBlob(1)).toBeNull();
      renderer.detachBacking(1);
      expect(renderer.attachBacking(1, backing)).toBe(0);
    });
  });
}
