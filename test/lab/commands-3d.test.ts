// 3D requests byte by byte, against the layouts of virtio 1.3 §5.7.6.8.

import { expect, test } from "bun:test";
import * as commands3d from "../../lab/driver/commands-3d.ts";

/** The request as little-endian words. */
const words = (view: DataView): number[] =>
  Array.from({ length: view.byteLength / 4 }, (_, at) => view.getUint32(at * 4, true));

test("CTX_CREATE has name, its length, and the kind of context", () => {
  const view = commands3d.createContext(7, "glxgears", 2, { fenceId: 9n, ringIndex: 3 });
  expect(words(view).slice(0, 8)).toEqual([0x0200, 3, 9, 0, 7, 3, 8, 2]);
  expect(new TextDecoder().decode(new Uint8Array(view.buffer, 32, 9))).toBe("glxgears\0");
  expect(view.byteLength).toBe(96);
});

test("CTX_CREATE cuts a long name and claims any length", () => {
  const view = commands3d.createContext(1, "x".repeat(100), 0, {}, 0xffff_ffff);
  expect(words(view).slice(6, 8)).toEqual([0xffff_ffff, 0]);
  expect(new Uint8Array(view.buffer, 32)).toEqual(new Uint8Array(64).fill(0x78));
});

test("CTX_DESTROY is a header with the context", () => {
  expect(words(commands3d.destroyContext(5))).toEqual([0x0201, 0, 0, 0, 5, 0]);
});

test("CTX_ATTACH_RESOURCE and CTX_DETACH_RESOURCE name context and resource", () => {
  expect(words(commands3d.attachResource(5, 6))).toEqual([0x0202, 0, 0, 0, 5, 0, 6, 0]);
  expect(words(commands3d.detachResource(5, 6))).toEqual([0x0203, 0, 0, 0, 5, 0, 6, 0]);
});

test("RESOURCE_CREATE_3D has every field in its place", () => {
  const view = commands3d.createResource3d({
    resourceId: 1,
    target: 2,
    format: 3,
    bind: 4,
    width: 5,
    height: 6,
    depth: 7,
    arraySize: 8,
    lastLevel: 9,
    samples: 10,
    flags: 11,
  });
  expect(words(view)).toEqual([0x0204, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 0]);
});

test("RESOURCE_CREATE_3D without its optional fields is one row of one layer", () => {
  const view = commands3d.createResource3d({ resourceId: 1, target: 0, format: 64, bind: 16, width: 100 });
  expect(words(view).slice(6)).toEqual([1, 0, 64, 16, 100, 1, 1, 1, 0, 0, 0, 0]);
});

test("transfers have box, 64-bit offset, level and strides", () => {
  const box = { x: 1, y: 2, z: 3, width: 4, height: 5, depth: 6 };
  const transfer = { box, offset: 2n ** 33n + 8n, level: 7, stride: 64, layerStride: 1024 };
  const fields = [1, 2, 3, 4, 5, 6, 8, 2, 44, 7, 64, 1024];
  expect(words(commands3d.transferToHost3d(3, 44, transfer))).toEqual([0x0205, 0, 0, 0, 3, 0, ...fields]);
  expect(words(commands3d.transferFromHost3d(3, 44, transfer))).toEqual([0x0206, 0, 0, 0, 3, 0, ...fields]);
});

test("SUBMIT_3D carries the stream after its size, true or claimed", () => {
  const stream = Uint8Array.of(1, 0, 0, 0, 2, 0, 0, 0);
  expect(words(commands3d.submit3d(3, stream))).toEqual([0x0207, 0, 0, 0, 3, 0, 8, 0, 1, 2]);
  expect(words(commands3d.submit3d(3, stream, { fenceId: 1n }, 400))).toEqual([
    0x0207, 1, 1, 0, 3, 0, 400, 0, 1, 2,
  ]);
});
