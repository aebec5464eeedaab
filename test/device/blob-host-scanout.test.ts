// SET_SCANOUT_BLOB of memory that a Vulkan context has allocated on the host, by the pixels that arrive at the VMM's display.

import { test } from "bun:test";
import { frontEnds } from "../../src/transport/wire/front-ends.ts";
import {
  BlobFlag,
  BlobMem,
  Capset,
  Feature,
  Format,
  Response,
} from "../../src/transport/wire/virtio-gpu/protocol.ts";
import { patient } from "./3d-support.ts";
import { expectOff, expectOk, expectShown, expectType, pattern, serveTests } from "./support.ts";

const { withDevice } = serveTests("--renderer", "virgl", "--vulkan", "on");
const options = {
  ...patient,
  sharedMemoryBit: frontEnds.current.sharedMemoryBit,
  gpuFeatures: [Feature.VIRGL, Feature.EDID, Feature.CONTEXT_INIT, Feature.RESOURCE_BLOB],
};
const page = 4096;
const [width, height] = [48, 32];
const area = { x: 0, y: 0, width, height };
const layout = { format: Format.B8G8R8X8, width, height, strides: [width * 4], offsets: [page] };
const { ERR_INVALID_PARAMETER, ERR_INVALID_CONTEXT_ID, ERR_UNSPEC, OK_MAP_INFO } = Response;
const inContext = { contextId: 1 };
const blob = { resourceId: 2, mem: BlobMem.HOST3D, flags: BlobFlag.MAPPABLE, size: 4 * page };

test("memory of a context is shown as the guest has written it through its window, and goes off with it", () =>
  withDevice(options, (guest) => {
    const { gpu } = guest;
    expectOk(gpu.createContext(1, "vulkan", Capset.VENUS));
    expectOk(gpu.createBlob(blob, [], inContext));
    expectType(gpu.mapBlob(2, 0), OK_MAP_INFO);
    const { buffer, byteOffset } = guest.frontend.window!.view(0, 4 * page);
    const words = new Uint32Array(buffer, byteOffset + page, width * height);
    words.set(pattern(width, height));
    expectOk(gpu.setScanoutBlob(0, 2, area, layout));
    expectShown(guest, 0, width, height, pattern(width, height));
    words.set(pattern(width, height).toReversed());
    expectOk(gpu.flushResource(2, area));
    expectShown(guest, 0, width, height, pattern(width, height).toReversed());
    // Of the host's memory a row between pixels, or one behind its end, is never read.
    expectType(gpu.setScanoutBlob(0, 2, area, { ...layout, offsets: [page + 2] }), ERR_UNSPEC);
    expectType(gpu.setScanoutBlob(0, 2, area, { ...layout, offsets: [3 * page] }), ERR_INVALID_PARAMETER);
    expectOk(gpu.unmapBlob(2));
    expectOk(gpu.unrefResource(2));
    expectOff(guest, 0);
  }));

test("memory that no context has is refused, and leaves nothing", () =>
  withDevice(options, ({ gpu }) => {
    expectType(gpu.createBlob(blob, [], inContext), ERR_INVALID_CONTEXT_ID);
    expectOk(gpu.createContext(1, "vulkan", Capset.VENUS));
    expectType(gpu.createBlob({ ...blob, blobId: 12345 }, [], inContext), ERR_INVALID_PARAMETER);
    expectOk(gpu.createBlob(blob, [], inContext));
  }));

test("a guest's own pages are shown while a context has them, and when none has any more", () =>
  withDevice(options, (guest) => {
    const { gpu, memory } = guest;
    expectOk(gpu.createContext(1, "vulkan", Capset.VENUS));
    const pages = memory.allocate(4 * page, page);
    expectOk(gpu.createBlob({ ...blob, mem: BlobMem.GUEST, flags: BlobFlag.SHAREABLE }, [pages], inContext));
    const words = pages.words.subarray(page / 4);
    words.set(pattern(width, height));
    expectOk(gpu.attachResource(1, 2));
    expectOk(gpu.setScanoutBlob(0, 2, area, layout));
    expectShown(guest, 0, width, height, pattern(width, height));
    expectOk(gpu.destroyContext(1));
    words.set(pattern(width, height).toReversed());
    expectOk(gpu.flushResource(2, area));
    expectShown(guest, 0, width, height, pattern(width, height).toReversed());
    expectOk(gpu.detachBacking(2));
    expectOff(guest, 0);
    expectOk(gpu.unrefResource(2));
  }));
