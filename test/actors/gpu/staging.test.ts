// Pixels that come back from the renderer into storage which only its driver's own mapping may write.

import { toArrayBuffer } from "bun:ffi";
import { afterEach, beforeEach, expect, test } from "bun:test";
import { flat } from "../../../src/actors/gpu/pixels/form.ts";
import { Staging } from "../../../src/actors/gpu/pixels/staging.ts";
import { Storage } from "../../../src/actors/gpu/pixels/storage/storage.ts";
import { Target } from "../../../src/actors/gpu/renderer/transfer.ts";
import { Request } from "../../../src/actors/queue/request.ts";
import { asPointer, EFAULT, EINVAL, ENOMEM, libc } from "../../../src/ffi/libc.ts";
import { closeFd, createMemfd } from "../../../src/transport/os/fds.ts";
import { NativeMemory } from "../../../src/transport/os/native-memory.ts";
import { Format } from "../../../src/transport/wire/virtio-gpu/protocol.ts";
import { withoutDescriptors } from "../../support/limits.ts";
import { ScriptedRenderer } from "../../support/scripted-renderer.ts";

const page = 4096;

/** As gbm's: what is written elsewhere, in longer rows, is in its memory when the writing ends. */
class DriverStorage extends Storage {
  override readonly needsDriver = true;
  readonly fitsGpu = false;
  readonly stride: number;
  private readonly mapping: NativeMemory;
  private area = { x: 0, y: 0, width: 0, height: 0 };

  constructor(
    width: number,
    readonly height: number,
  ) {
    const size = Math.ceil((width * 4 * height) / page) * page;
    const fd = createMemfd("driver-storage", size);
    super(fd, NativeMemory.mapShared(fd, 0, size, "write"));
    this.stride = width * 4;
    this.mapping = NativeMemory.allocate(this.writeStride * height);
  }

  get words(): Uint32Array {
    return new Uint32Array(this.view());
  }

  override beginWrite(x: number, y: number, width: number, height: number): number {
    this.area = { x, y, width, height };
    return this.mapping.address;
  }

  override get writeStride(): number {
    return this.stride + 64;
  }

  override endWrite(): void {
    const { x, y, width, height } = this.area;
    for (let row = 0; row < height; row++) {
      const target = this.address + (y + row) * this.stride + x * 4;
      libc.memcpy(asPointer(target), asPointer(this.mapping.address + row * this.writeStride), width * 4);
    }
  }

  dmabuf(): number {
    return -1;
  }

  protected recycle(): void {
    this.memory.unmap();
    this.mapping.unmap();
    closeFd(this.fd);
  }
}

let request: Request;
let renderer: ScriptedRenderer;
let staging: Staging;
beforeEach(() => {
  request = new Request(page);
  renderer = new ScriptedRenderer(request.arena);
  staging = new Staging();
});
afterEach(() => {
  staging.close();
  renderer.close();
  request.close();
});

/** Resource `id` with a word for every pixel that tells its place. */
function makePicture(id: number, width: number, height: number): Uint32Array<ArrayBuffer> {
  const shape = [Target.TEXTURE_2D, Format.B8G8R8A8, 10, width, height, 1, 1, 0, 0, 0];
  expect(renderer.createResource(id, shape)).toBe(0);
  const source = new DriverStorage(width, height);
  const pixels = source.words.subarray(0, width * height);
  for (let at = 0; at < pixels.length; at++) pixels[at] = id * 0x1000_0000 + at;
  expect(renderer.copyPixels("to-host", id, 0, 0, width, height, source)).toBe(0);
  const copy = Uint32Array.from(pixels);
  source.onGone?.();
  source.free();
  return copy;
}

test("a rectangle comes to its place, and nothing else changes", () => {
  const picture = makePicture(1, 16, 8);
  const storage = new DriverStorage(16, 8);
  expect(staging.readBack(renderer, 1, storage, 3, 2, 5, 4)).toBe(0);
  const expected = new Uint32Array(storage.words.length);
  for (let row = 2; row < 6; row++) expected.set(picture.subarray(row * 16 + 3, row * 16 + 8), row * 16 + 3);
  expect(storage.words.slice()).toEqual(expected);
  storage.free();
});

test("pictures of any sizes come one after another", () => {
  const sizes = [
    [16, 8],
    [64, 64],
    [8, 8],
    [100, 30],
  ] as const;
  for (const [index, [width, height]] of sizes.entries()) {
    const picture = makePicture(index + 1, width, height);
    const storage = new DriverStorage(width, height);
    expect(staging.readBack(renderer, index + 1, storage, 0, 0, width, height)).toBe(0);
    expect(storage.words.slice(0, width * height)).toEqual(picture);
    storage.free();
  }
});

test("what fails changes nothing", () => {
  makePicture(1, 16, 8);
  const storage = new DriverStorage(16, 8);
  withoutDescriptors(() => expect(staging.readBack(renderer, 1, storage, 0, 0, 16, 8)).toBe(ENOMEM));
  renderer.fail("copyPixels", EINVAL);
  expect(staging.readBack(renderer, 1, storage, 0, 0, 16, 8)).toBe(EINVAL);
  expect(storage.words.every((word) => word === 0)).toBe(true);
  storage.free();
});

test("a recording is told what the renderer gets, though the guest writes meanwhile", () => {
  const [width, height] = [16, 8];
  const picture = makePicture(1, width, height);
  const form = { id: 1, width, height, format: Format.B8G8R8A8, shape: flat };
  let reads = 0;
  // Memory in which whoever looks twice finds something else.
  const backing = {
    length: width * height * 4,
    copyTo: (_: number, destination: number, length: number): boolean => {
      new Uint8Array(toArrayBuffer(asPointer(destination), 0, length)).fill(++reads);
      return true;
    },
  };
  const told: number[] = [];
  const recording = {
    rowsAt: (
      address: number,
      stride: number,
      _id: number,
      offset: number,
      rowBytes: number,
      rows: number,
    ) => {
      expect([offset, rowBytes, rows]).toEqual([12, 20, 4]);
      for (let row = 0; row < rows; row++) {
        const words = toArrayBuffer(asPointer(address + row * stride), 0, rowBytes);
        told.push(...new Uint32Array(words.slice(0)));
      }
    },
  };
  expect(staging.send(renderer, form, backing, 3, 2, 5, 4, 12, recording)).toBe(0);
  const storage = new DriverStorage(width, height);
  expect(staging.readBack(renderer, 1, storage, 0, 0, width, height)).toBe(0);
  for (let row = 0; row < 4; row++) picture.set(told.slice(row * 5, row * 5 + 5), (row + 2) * width + 3);
  expect(storage.words.slice(0, width * height)).toEqual(picture);
  expect([...new Set(told)]).toHaveLength(4);
  storage.free();
});

test("what is no guest memory any more changes nothing, and tells nothing", () => {
  const picture = makePicture(1, 16, 8);
  const form = { id: 1, width: 16, height: 8, format: Format.B8G8R8A8, shape: flat };
  const backing = { length: 512, copyTo: () => false };
  const recording = { rowsAt: () => expect.unreachable() };
  expect(staging.send(renderer, form, backing, 0, 0, 16, 8, 0, recording)).toBe(EFAULT);
  const storage = new DriverStorage(16, 8);
  expect(staging.readBack(renderer, 1, storage, 0, 0, 16, 8)).toBe(0);
  expect(storage.words.slice(0, 128)).toEqual(picture);
  storage.free();
});
