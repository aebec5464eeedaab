// SET_SCANOUT_BLOB and RESOURCE_FLUSH of blobs of the guest's pages, by the pixels that arrive at the VMM's display.

import { describe, expect, test } from "bun:test";
import type { Blob, BlobLayout } from "../../lab/driver/commands-blob.ts";
import type { GuestBuffer, GuestRange } from "../../lab/driver/guest-memory.ts";
import type { SyntheticGuest } from "../../lab/driver/synthetic-guest.ts";
import {
  BlobFlag,
  BlobMem,
  Feature,
  Format,
  Response,
} from "../../src/transport/wire/virtio-gpu/protocol.ts";
import { limitsAreTold, limitTest } from "../support/limit-test.ts";
import { driverPatienceMs } from "../support/patience.ts";
import { expectOff, expectOk, expectShown, expectType, pattern, serveTests, settle } from "./support.ts";

const { withDevice, server } = serveTests("--renderer", "software", "--surface-pieces-max", "64");
limitsAreTold(() => server().log());
const {
  ERR_INVALID_CONTEXT_ID,
  ERR_INVALID_PARAMETER,
  ERR_INVALID_RESOURCE_ID,
  ERR_INVALID_SCANOUT_ID,
  ERR_UNSPEC,
} = Response;
const features = { gpuFeatures: [Feature.EDID, Feature.RESOURCE_BLOB] };
const page = 4096;
const [width, height] = [48, 32];
const stride = width * 4;
const area = { x: 0, y: 0, width, height };
const plain: BlobLayout = { format: Format.B8G8R8X8, width, height, strides: [stride] };

const withBlobs = (body: (guest: SyntheticGuest) => unknown): Promise<void> => withDevice(features, body);

function createBlob(
  { gpu }: SyntheticGuest,
  id: number,
  entries: readonly GuestRange[],
  size?: number,
): void {
  const all = entries.reduce((sum, { length }) => sum + length, 0);
  expectOk(
    gpu.createBlob(
      { resourceId: id, mem: BlobMem.GUEST, flags: BlobFlag.SHAREABLE, size: size ?? all },
      entries,
    ),
  );
}

/** A blob of `count` pages, one behind the other. */
function makeBlob(guest: SyntheticGuest, id: number, count = 2): GuestBuffer {
  const pages = guest.memory.allocate(count * page, page);
  createBlob(guest, id, [pages]);
  return pages;
}

/** A blob with a picture in it, which scanout 0 shows. */
function showBlob(
  guest: SyntheticGuest,
  id: number,
  picture: Uint32Array = pattern(width, height),
): GuestBuffer {
  const pages = makeBlob(guest, id);
  pages.words.set(picture);
  // A flush as well would be a second frame, which shows what lies there later.
  expectOk(guest.gpu.setScanoutBlob(0, id, area, plain));
  expectShown(guest, 0, width, height, picture);
  return pages;
}

const isolated = serveTests("--renderer", "software", "--isolation", "process");

test("a guest's blob is shown where it lies by a ctrl queue in a process of its own", () =>
  isolated.withDevice(features, (guest) => {
    const pages = showBlob(guest, 1);
    pages.words.set(pattern(width, height).toReversed());
    expectOk(guest.gpu.flushResource(1, area));
    expectShown(guest, 0, width, height, pattern(width, height).toReversed());
    expectOk(guest.gpu.unrefResource(1));
    expectOff(guest, 0);
  }));

const black = Array.from({ length: width * height }, () => 0);

describe("a guest's blob on a scanout", () => {
  test("is shown as it lies in the guest's pages, and follows them at each flush, with no transfer", () =>
    withBlobs((guest) => {
      const pages = showBlob(guest, 1);
      const next = pattern(width, height).toReversed();
      pages.words.set(next);
      expectOk(guest.gpu.flushResource(1, area));
      expectShown(guest, 0, width, height, next);
    }));

  test("shows the damage and no more", () =>
    withBlobs((guest) => {
      const pages = showBlob(guest, 1);
      const before = pattern(width, height);
      pages.words.fill(0xff_ffff);
      expectOk(guest.gpu.flushResource(1, { x: 8, y: 4, width: 16, height: 8 }));
      const expected = before.map((colour, at) => {
        const [x, y] = [at % width, Math.floor(at / width)];
        return x >= 8 && x < 24 && y >= 4 && y < 12 ? 0xff_ffff : colour;
      });
      expectShown(guest, 0, width, height, expected);
    }));

  for (const [name, format] of Object.entries(Format)) {
    test(`has right colours as ${name}`, () =>
      withBlobs((guest) => {
        const pages = makeBlob(guest, 1);
        const picture = pattern(width, height);
        pages.words.set(picture.map((colour) => encode(colour, name)));
        expectOk(guest.gpu.setScanoutBlob(0, 1, area, { ...plain, format }));
        expectShown(guest, 0, width, height, picture);
      }));
  }

  const places: [string, number, number][] = [
    ["rows far apart", 1000, 0],
    ["an offset within a page", stride, 400],
    ["an offset of pages", stride, page * 3],
    ["an offset that is no pixel's", stride, 401],
    ["rows that end between pixels", stride + 3, 2],
  ];
  for (const [what, rows, offset] of places) {
    test(`is read with ${what}`, () =>
      withBlobs((guest) => {
        const pages = makeBlob(guest, 1, 12);
        const picture = pattern(width, height);
        const bytes = new Uint8Array(Uint32Array.from(picture).buffer);
        for (let y = 0; y < height; y++) {
          pages.bytes.set(bytes.subarray(y * stride, (y + 1) * stride), offset + y * rows);
        }
        const layout = { ...plain, strides: [rows, 7, 8, 9], offsets: [offset, 1, 2, 3] };
        expectOk(guest.gpu.setScanoutBlob(0, 1, area, layout));
        expectShown(guest, 0, width, height, picture);
        pages.bytes.fill(0);
        expectOk(guest.gpu.flushResource(1, area));
        expectShown(guest, 0, width, height, black);
      }));
  }

  const scattered: [string, (pages: GuestBuffer) => GuestRange[]][] = [
    ["pages in the opposite order", (all) => [5, 4, 3, 2, 1, 0].map((at) => all.slice(at * page, page))],
    [
      "pieces that are no pages",
      (all) => [all.slice(100, page), all.slice(3 * page, 50), all.slice(4 * page, 2 * page)],
    ],
    ["the same page again and again", (all) => [all.slice(0, page), all.slice(0, page)]],
  ];
  for (const [what, entriesOf] of scattered) {
    test(`is read from ${what}`, () =>
      withBlobs((guest) => {
        const entries = entriesOf(guest.memory.allocate(6 * page, page));
        createBlob(guest, 1, entries);
        const written = new Uint8Array(Uint32Array.from(pattern(width, height)).buffer);
        guest.memory.scatter(written, entries);
        const picture = new Uint32Array(guest.memory.gather(entries).slice(0, stride * height).buffer);
        expectOk(guest.gpu.setScanoutBlob(0, 1, area, plain));
        expectShown(guest, 0, width, height, picture);
      }));
  }

  limitTest(
    "surfacePiecesMax",
    "is copied where it has more pieces than the display may map, and looks the same",
    () =>
      withBlobs((guest) => {
        const all = guest.memory.allocate(200 * page, page);
        const entries = Array.from({ length: 100 }, (_, at) => all.slice(at * 2 * page, page));
        createBlob(guest, 1, entries);
        const big = { width: 320, height: 240 };
        const picture = pattern(big.width, big.height);
        const layout = { ...plain, ...big, strides: [big.width * 4] };
        const whole = { x: 0, y: 0, ...big };
        guest.memory.scatter(new Uint8Array(Uint32Array.from(picture).buffer), entries);
        expectOk(guest.gpu.setScanoutBlob(0, 1, whole, layout));
        expectShown(guest, 0, big.width, big.height, picture);
        guest.memory.scatter(new Uint8Array(Uint32Array.from(picture.toReversed()).buffer), entries);
        expectOk(guest.gpu.flushResource(1, whole));
        expectShown(guest, 0, big.width, big.height, picture.toReversed());
      }),
  );

  test("shows a part of itself", () =>
    withBlobs((guest) => {
      const pages = makeBlob(guest, 1);
      pages.words.set(pattern(width, height));
      expectOk(guest.gpu.setScanoutBlob(0, 1, { x: 8, y: 4, width: 16, height: 8 }, plain));
      const part = pattern(width, height).filter((_, at) => {
        const [x, y] = [at % width, Math.floor(at / width)];
        return x >= 8 && x < 24 && y >= 4 && y < 12;
      });
      expectShown(guest, 0, 16, 8, part);
    }));

  test("is two pictures on two scanouts, each by its own layout, and one flush is seen on both", () =>
    withBlobs((guest) => {
      const pages = makeBlob(guest, 1, 4);
      const [first, second] = [pattern(width, height), pattern(24, 20).toReversed()];
      const other = { format: Format.R8G8B8X8, width: 24, height: 20, strides: [128], offsets: [2 * page] };
      const draw = (one: Uint32Array, two: Uint32Array): void => {
        pages.words.set(one);
        for (let y = 0; y < 20; y++) {
          const row = two.slice(y * 24, (y + 1) * 24).map((colour) => encode(colour, "R8G8B8X8"));
          pages.words.set(row, (2 * page) / 4 + y * 32);
        }
      };
      draw(first, second);
      expectOk(guest.gpu.setScanoutBlob(0, 1, area, plain));
      expectOk(guest.gpu.setScanoutBlob(1, 1, { x: 0, y: 0, width: 24, height: 20 }, other));
      expectShown(guest, 0, width, height, first);
      expectShown(guest, 1, 24, 20, second);
      draw(first.toReversed(), second.toReversed());
      expectOk(guest.gpu.flushResource(1, area));
      expectShown(guest, 0, width, height, first.toReversed());
      expectShown(guest, 1, 24, 20, second.toReversed());
      expectOk(guest.gpu.unrefResource(1));
      expectOff(guest, 0);
      expectOff(guest, 1);
    }));

  test("flips with another one, and with itself in another layout, again and again", () =>
    withBlobs((guest) => {
      const pictures = [pattern(width, height), pattern(width, height).toReversed()];
      const pages = [makeBlob(guest, 1, 4), makeBlob(guest, 2)];
      pages.forEach(({ words }, at) => words.set(pictures[at]!));
      pages[0]!.words.set(pictures[1]!, (2 * page) / 4);
      for (let times = 0; times < 3; times++) {
        for (const [id, offset, picture] of [
          [1, 0, pictures[0]],
          [2, 0, pictures[1]],
          [1, 2 * page, pictures[1]],
          [1, 0, pictures[0]],
        ] as const) {
          expectOk(guest.gpu.setScanoutBlob(0, id, area, { ...plain, offsets: [offset] }));
          expectOk(guest.gpu.flushResource(id, area));
          expectShown(guest, 0, width, height, picture!);
        }
      }
    }));
});

describe("a guest's blob", () => {
  test("is shown again by the display that comes after one that crashed, in the pages that it lies in", () =>
    withDevice(features, async (guest) => {
      const pages = showBlob(guest, 1);
      expect(await server().control({ command: "kill", actor: "display" })).toEqual({ ok: true });
      const next = pattern(width, height).toReversed();
      pages.words.set(next);
      // A part only: the rest comes by itself.
      expectOk(guest.gpu.flushResource(1, { x: 0, y: 0, width, height: 1 }));
      expectShown(guest, 0, width, height, next);
      expectOk(guest.gpu.unrefResource(1));
      expectOff(guest, 0);
    }));

  test("is a cursor, as Linux has one: with a transfer, which copies nothing, before its update", () =>
    withBlobs((guest) => {
      const pages = guest.memory.allocate(64 * 64 * 4, page);
      createBlob(guest, 9, [pages]);
      for (const colour of [0xff80_4020, 0x8012_3456]) {
        pages.words.fill(colour);
        expectOk(guest.gpu.transferToHost2d(9, { x: 0, y: 0, width: 64, height: 64 }));
        expectOk(guest.gpu.updateCursor({ scanoutId: 0, x: 5, y: 6 }, 9, 1, 2));
        const isDrawn = (): boolean =>
          guest.display!.cursors[0]?.pixels.every((pixel) => pixel === colour) === true;
        guest.pump.until(isDrawn, "the cursor's image");
      }
      createBlob(guest, 8, [guest.memory.allocate(page, page)]);
      expectType(guest.gpu.updateCursor({ scanoutId: 0, x: 5, y: 6 }, 8), ERR_INVALID_PARAMETER);
    }));
});

describe("what ends a picture in the guest's pages", () => {
  test("is its unreference, and its number then is another's", () =>
    withBlobs((guest) => {
      for (let times = 0; times < 20; times++) {
        const picture = pattern(width, height).map((colour) => colour ^ (times * 0x01_0307));
        showBlob(guest, 1, picture);
        expectOk(guest.gpu.unrefResource(1));
      }
      expectOff(guest, 0);
    }));

  test("is the loss of its pages: they may be others' now", () =>
    withBlobs((guest) => {
      const pages = showBlob(guest, 1);
      expectOk(guest.gpu.detachBacking(1));
      expectOff(guest, 0);
      expectType(guest.gpu.setScanoutBlob(0, 1, area, plain), ERR_UNSPEC);
      expectType(guest.gpu.flushResource(1, area), ERR_UNSPEC);
      expectOk(guest.gpu.attachBacking(1, [pages]));
      expectOk(guest.gpu.setScanoutBlob(0, 1, area, plain));
      expectShown(guest, 0, width, height, pattern(width, height));
    }));

  test("is resource 0", () =>
    withBlobs((guest) => {
      showBlob(guest, 1);
      expectOk(guest.gpu.setScanoutBlob(0, 0, area, plain));
      expectOff(guest, 0);
    }));

  test("is the end of the memory that it lies in; it is shown again when that is back", () =>
    withBlobs((guest) => {
      const layout = { guestAddress: 2 ** 33, size: 16 * page };
      const region = guest.hotAdd(layout);
      const pages = guest.memory.allocateIn(region, 2 * page, page);
      createBlob(guest, 1, [pages]);
      pages.words.set(pattern(width, height));
      expectOk(guest.gpu.setScanoutBlob(0, 1, area, plain));
      expectShown(guest, 0, width, height, pattern(width, height));
      guest.hotRemove(region);
      expectOff(guest, 0);
      const line = "scanout 0 is off until its picture's pages are guest memory";
      // It is said again each second, where too much is said for one.
      const isSaid = (): boolean => server().log().includes(line);
      for (const end = performance.now() + driverPatienceMs; !isSaid() && performance.now() < end;)
        guest.pump.serve(10);
      expect(server().log()).toContain(line);
      expectOk(guest.gpu.flushResource(1, area));
      guest.memory.removeRegion(region);
      const again = guest.hotAdd(layout);
      const other = guest.memory.allocateIn(again, 2 * page, page);
      other.words.set(pattern(width, height).toReversed());
      // It may have been read before that was written.
      expectOk(guest.gpu.flushResource(1, area));
      expectShown(guest, 0, width, height, pattern(width, height).toReversed());
    }));

  test("is the driver's start anew", () =>
    withBlobs((guest) => {
      showBlob(guest, 1);
      guest.stop();
      for (const queue of guest.queues) queue.reset(0);
      guest.start();
      expectType(guest.gpu.flushResource(1, area), ERR_INVALID_RESOURCE_ID);
      showBlob(guest, 1);
    }));
});

describe("no blob is made", () => {
  const make: [string, number, Partial<Blob>, number?][] = [
    ["with a backing of one byte for 16 KiB", ERR_INVALID_PARAMETER, { size: 16_384 }, 1],
    ["whose pages are one byte short", ERR_INVALID_PARAMETER, { size: 2 * page }, 2 * page - 1],
    ["whose size wraps", ERR_INVALID_PARAMETER, { size: 2n ** 64n - 4096n }],
    ["of no bytes", ERR_INVALID_PARAMETER, { size: 0 }],
    ["of a kind that there is not", ERR_INVALID_PARAMETER, { mem: 7 }],
    ["of id 0", ERR_INVALID_RESOURCE_ID, { resourceId: 0 }],
    ["of the host's memory where there is no renderer", ERR_INVALID_CONTEXT_ID, { mem: BlobMem.HOST3D }],
  ];
  test.each(make)("%s, and none of it is shown", (_, code, change, length = 2 * page) =>
    withBlobs((guest) => {
      const pages = guest.memory.allocate(2 * page, page);
      const blob = { resourceId: 1, mem: BlobMem.GUEST, size: 2 * page, ...change };
      expectType(guest.gpu.createBlob(blob, [pages.slice(0, length)]), code);
      expectType(guest.gpu.setScanoutBlob(0, 1, area, plain), ERR_INVALID_RESOURCE_ID);
      settle(guest);
      expectOff(guest, 0);
    }),
  );
});

const refused: [string, number, Partial<BlobLayout>, Partial<typeof area>?][] = [
  ["of no width", ERR_INVALID_PARAMETER, { width: 0 }],
  ["of no height", ERR_INVALID_PARAMETER, { height: 0 }],
  ["of a format that there is not", ERR_INVALID_PARAMETER, { format: 5 }],
  ["of format 0", ERR_INVALID_PARAMETER, { format: 0 }],
  ["with rows of nothing", ERR_INVALID_PARAMETER, { strides: [0] }],
  ["with rows that overlap", ERR_INVALID_PARAMETER, { strides: [stride - 1] }],
  ["with rows that end behind the blob", ERR_INVALID_PARAMETER, { strides: [stride + 72] }],
  [
    "with rows of nearly 4 GiB, whose sum wraps to little",
    ERR_INVALID_PARAMETER,
    { strides: [0xffff_fffc], height: 2 },
  ],
  ["with rows whose sum is 2^32", ERR_INVALID_PARAMETER, { strides: [2 ** 31], height: 3 }],
  [
    "of a height that wraps with its rows",
    ERR_INVALID_PARAMETER,
    { height: 0x4000_0001, strides: [1024] },
    { height: 1 },
  ],
  ["of a width that wraps with its pixels", ERR_INVALID_PARAMETER, { width: 0x4000_0000 }],
  ["from an offset behind it", ERR_INVALID_PARAMETER, { offsets: [2 * page] }],
  ["from an offset that wraps", ERR_INVALID_PARAMETER, { offsets: [0xffff_f000] }],
  ["from an offset one byte too far", ERR_INVALID_PARAMETER, { offsets: [2 * page - stride * height + 1] }],
  ["of no pixels of it", ERR_INVALID_PARAMETER, {}, { width: 0 }],
  ["right of it", ERR_INVALID_PARAMETER, {}, { x: 1 }],
  ["below it", ERR_INVALID_PARAMETER, {}, { y: 1 }],
  ["where the sum wraps", ERR_INVALID_PARAMETER, {}, { x: 0xffff_fff0, width: 17 }],
  ["where the sum of rows wraps", ERR_INVALID_PARAMETER, {}, { y: 0xffff_ffff, height: 2 }],
];

describe("nothing is shown", () => {
  for (const [what, code, layout, rectangle = {}] of refused) {
    test(`${what}, and what was shown stays`, () =>
      withBlobs((guest) => {
        showBlob(guest, 1);
        expectType(guest.gpu.setScanoutBlob(0, 1, { ...area, ...rectangle }, { ...plain, ...layout }), code);
        settle(guest);
        expectShown(guest, 0, width, height, pattern(width, height));
      }));
  }

  test("on a scanout that there is not, be it to turn it off", () =>
    withBlobs((guest) => {
      makeBlob(guest, 1);
      for (const scanout of [16, 22, 0xffff_ffff]) {
        for (const id of [0, 1]) {
          expectType(guest.gpu.setScanoutBlob(scanout, id, area, plain), ERR_INVALID_SCANOUT_ID);
        }
      }
    }));

  test("of what is no blob, or not there", () =>
    withBlobs((guest) => {
      guest.gpu.createImage(1, Format.B8G8R8X8, width, height);
      expectType(guest.gpu.setScanoutBlob(0, 1, area, plain), ERR_INVALID_PARAMETER);
      expectType(guest.gpu.setScanoutBlob(0, 2, area, plain), ERR_INVALID_RESOURCE_ID);
    }));

  test("for a driver that did not take the feature", () =>
    withDevice({ gpuFeatures: [Feature.EDID] }, (guest) => {
      expectType(guest.gpu.setScanoutBlob(0, 0, area, plain), ERR_UNSPEC);
    }));

  test("of a flush beyond every edge, which is clipped to what is shown", () =>
    withBlobs((guest) => {
      const pages = showBlob(guest, 1);
      pages.words.fill(0x12_3456);
      const all = 0xffff_ffff;
      expectOk(guest.gpu.flushResource(1, { x: all, y: all, width: all, height: all }));
      expectOk(guest.gpu.flushResource(1, { x: 0, y: 0, width: all, height: 1 }));
      const expected = pattern(width, height).map((colour, at) => (at < width ? 0x12_3456 : colour));
      expectShown(guest, 0, width, height, expected);
      expect(guest.display?.violations).toEqual([]);
    }));
});

/** The word of a pixel of a format, from 0x00RRGGBB. */
function encode(colour: number, format: string): number {
  const channels: Record<string, number> = {
    R: (colour >>> 16) & 0xff,
    G: (colour >>> 8) & 0xff,
    B: colour & 0xff,
    A: 0xff,
    X: 0,
  };
  const letters = [...format.replaceAll("8", "")];
  return letters.reduce((word, letter, at) => (word | (channels[letter]! << (at * 8))) >>> 0, 0);
}
