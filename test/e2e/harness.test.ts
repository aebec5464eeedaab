// The end-to-end tests' own means: what they read, compare and wait for. Needs no guest.

import { expect, test } from "bun:test";
import { until, within } from "../../lab/qemu/deadline.ts";
import { diffImages, readPpm } from "../../lab/qemu/image.ts";
import { complaints, warnings } from "./support/kernel-log.ts";
import { cubeFault } from "./support/cube.ts";
import { cursorSide, expectedCursor, expectedPattern, paintedOver } from "./support/pattern.ts";

const ppm = (header: string, samples: number[]): Uint8Array =>
  new Uint8Array([...new TextEncoder().encode(header), ...samples]);

test("a PPM file is read with its rows padded to four bytes", () => {
  const file = ppm("P6\n1 2\n255\n", [1, 2, 3, 0, 4, 5, 6, 0]);
  expect(readPpm(file)).toEqual({ width: 1, height: 2, pixels: new Uint32Array([0x010203, 0x040506]) });
});

test("a PPM file that is cut off or of another kind is refused", () => {
  expect(() => readPpm(ppm("P6\n1 2\n255\n", [1, 2, 3, 0, 4]))).toThrow("cut off");
  expect(() => readPpm(ppm("P5\n1 1\n255\n", [1, 2, 3, 0]))).toThrow("not a PPM file");
});

test("equal images have no difference", () => {
  expect(diffImages(expectedPattern(33, 17, 3), expectedPattern(33, 17, 3))).toBeNull();
});

test("a difference names its count, its bounds and its first pixel", () => {
  const expected = expectedPattern(64, 64, 3);
  const actual = paintedOver(expected, { x: 10, y: 20, width: 4, height: 2 }, 4);
  expect(diffImages(actual, expected)).toBe(
    "8 of 4096 pixels differ, within 4x2 at (10, 20); the first, (10, 20), is 4a681e, not 49671e",
  );
});

test("a picture of no cube is told from one", () => {
  const grey = { width: 200, height: 100, pixels: new Uint32Array(20_000).fill(0x808080) };
  expect(cubeFault({ ...grey, pixels: new Uint32Array(20_000) })).toBe("its first pixel is 0, not grey");
  expect(cubeFault(grey)).toBe("0.0 % of it is not grey");
  const square = { x: 70, y: 20, width: 60, height: 60 };
  expect(cubeFault(paintedOver(grey, square, 3))).toBeNull();
  expect(cubeFault(paintedOver(grey, { ...square, y: 40 }, 3))).toStartWith("(70, 95) in its margin is ");
  expect(cubeFault(paintedOver(grey, { ...square, x: 20 }, 3))).toBe("its centre is grey");
});

test("images of two sizes differ by their sizes", () => {
  expect(diffImages(expectedPattern(4, 3, 1), expectedPattern(4, 4, 1))).toBe("it is 4x3, not 4x4");
});

test("a cursor is opaque above its diagonal and transparent below it", () => {
  const cursor = expectedCursor(9);
  expect(cursor[0]! >>> 24).toBe(255);
  expect(cursor[cursorSide * cursorSide - 1]).toBe(0);
});

test("warnings are told by level and by word, and lose their times", () => {
  const log = [
    "<6>[    3.252219] [drm] number of scanouts: 2",
    "<4>[    3.363333] [drm] something was not called",
    "<6>[    4.000000] WARNING: CPU: 0 PID: 1",
    "<3>[   12.000000] [drm:virtio_gpu_dequeue_ctrl_func [virtio_gpu]] *ERROR* response 0x1202",
  ];
  expect(warnings(log)).toEqual([
    "[drm] something was not called",
    "WARNING: CPU: 0 PID: 1",
    "[drm:virtio_gpu_dequeue_ctrl_func [virtio_gpu]] *ERROR* response 0x1202",
  ]);
});

test("a kernel's known warnings are left out, and others are told by their headlines", () => {
  const log = [
    "<4>[    6.1] WARNING: CPU: 1 PID: 103 at drivers/gpu/drm/drm_mm.c:999 drm_mm_takedown+0x23/0x30 [drm]",
    "<4>[    6.2] WARNING: CPU: 1 PID: 104 at drivers/gpu/drm/drm_gem.c:1 drm_gem_fault+0x1/0x2 [drm]",
    "<4>[    6.2] Modules linked in: drm",
    "<4>[    6.2] RIP: 0010:drm_gem_fault+0x1/0x2 [drm]",
    "<4>[    6.2] Call Trace:",
    "<4>[    6.2]  drm_dev_put+0x4d/0x70 [drm]",
  ];
  const fault = "WARNING: CPU: 1 PID: 104 at drivers/gpu/drm/drm_gem.c:1 drm_gem_fault+0x1/0x2 [drm]";
  expect(complaints(log, "6.1")).toEqual([fault]);
  expect(complaints(log, "6.12")).toHaveLength(2);
});

test("waiting ends with what was waited for", async () => {
  await expect(until("rain", () => undefined, 5, 1)).rejects.toThrow("waited 5 ms for rain");
  await expect(within("snow", new Promise(() => {}), 5)).rejects.toThrow("waited 5 ms for snow");
  expect(await within("sun", Promise.resolve(1), 1000)).toBe(1);
});
