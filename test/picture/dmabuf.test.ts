// Reading dma-bufs, with shared memory in their place: what is mapped and converted is the same.

import { afterEach, describe, expect, test } from "bun:test";
import { type DmabufImage, readDmabuf, UnreadableDmabuf } from "../../src/picture/dmabuf.ts";
import { Fourcc, formatOfFourcc, fourccName, modifierName } from "../../src/picture/drm-formats.ts";
import { closeFd, createMemfd } from "../../src/transport/os/fds.ts";
import { NativeMemory } from "../../src/transport/os/native-memory.ts";

const cleanups: (() => void)[] = [];
afterEach(() => {
  for (const cleanup of cleanups.splice(0)) cleanup();
});

/** 4 × 3 pixels in rows of 20 bytes from byte 8 on; pixel x, y has the bytes 4n, 4n+1, 4n+2, 4n+3 with n = 4y + x + 1. */
function image(changes: Partial<DmabufImage> = {}): DmabufImage {
  const [width, height, stride, offset] = [4, 3, 20, 8];
  const fd = createMemfd("dmabuf", offset + stride * height);
  const memory = NativeMemory.mapShared(fd, 0, offset + stride * height, "write");
  const bytes = new Uint8Array(memory.view());
  for (let y = 0; y < height; y++) {
    for (let at = 0; at < width * 4; at++) bytes[offset + y * stride + at] = 4 * (4 * y + 1) + at;
  }
  memory.unmap();
  cleanups.push(() => closeFd(fd));
  const plain = { modifierHigh: 0, modifierLow: 0, flags: 0, fourcc: Fourcc.XRGB8888 };
  return { fd, width, height, stride, offset, ...plain, ...changes };
}

/** The bytes B, G, R of each pixel. */
function read(from: DmabufImage, rect: { x: number; y: number; width: number; height: number }): number[][] {
  const target = new Uint32Array(rect.width * rect.height);
  readDmabuf(from, rect, target);
  return [...target].map((pixel) => [pixel & 0xff, (pixel >>> 8) & 0xff, (pixel >>> 16) & 0xff]);
}

const corner = { x: 0, y: 0, width: 1, height: 1 };

describe("readDmabuf", () => {
  test("copies a rectangle", () => {
    expect(read(image(), { x: 1, y: 1, width: 2, height: 2 })).toEqual([
      [24, 25, 26],
      [28, 29, 30],
      [40, 41, 42],
      [44, 45, 46],
    ]);
  });

  test("counts y from the top of a picture that is kept upside down", () => {
    expect(read(image({ flags: 1 }), { x: 0, y: 0, width: 1, height: 3 })).toEqual([
      [36, 37, 38],
      [20, 21, 22],
      [4, 5, 6],
    ]);
    expect(read(image({ flags: 1 }), { x: 2, y: 1, width: 1, height: 1 })).toEqual([[28, 29, 30]]);
  });

  test.each([
    ["XR24", [4, 5, 6]],
    ["AR24", [4, 5, 6]],
    ["XB24", [6, 5, 4]],
    ["AB24", [6, 5, 4]],
    ["RX24", [5, 6, 7]],
    ["RA24", [5, 6, 7]],
    ["BX24", [7, 6, 5]],
    ["BA24", [7, 6, 5]],
  ])("knows where %s has its colours", (name, expected) => {
    const fourcc = Object.values(Fourcc).find((code) => fourccName(code) === name)!;
    expect(formatOfFourcc(fourcc)).toBeNumber();
    expect(read(image({ fourcc }), corner)).toEqual([expected]);
  });

  test.each([
    ["tiled", { modifierHigh: 0x0100_0000, modifierLow: 2 }, "tiled by modifier 0x0100000000000002"],
    [
      "of an implicit layout",
      { modifierHigh: 0x00ff_ffff, modifierLow: 0xffff_ffff },
      "only the GPU's driver",
    ],
    ["in another format", { fourcc: 0x3231_564e }, "its format is NV12"],
    ["not aligned", { stride: 18 }, "rows of 18 bytes"],
    ["beyond its end", { height: 4 }, "4x4 pixels do not lie in its 68 bytes"],
    ["too long to map", { height: 0xffff_ffff }, "pixels do not lie"],
  ])("refuses what is %s, and says so", (_, changes, message) => {
    const read = () => readDmabuf(image(changes), corner, new Uint32Array(1));
    expect(read).toThrow(UnreadableDmabuf);
    expect(read).toThrow(message);
  });

  test("passes on why it can't be mapped", () => {
    expect(() => readDmabuf(image({ fd: -1 }), corner, new Uint32Array(1))).toThrow("EBADF");
  });
});

test("names are those of DRM", () => {
  expect(fourccName(Fourcc.ARGB8888)).toBe("AR24");
  expect(Fourcc.XRGB8888).toBe(0x3432_5258);
  expect(fourccName(0x0102_4142)).toBe("BA..");
  expect(modifierName({ modifierHigh: 0x00ff_ffff, modifierLow: 0xffff_ffff })).toBe("0x00ffffffffffffff");
});
