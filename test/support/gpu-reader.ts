// Reads dma-bufs as a GPU does: imported by the driver, which knows where their pixels really are, and mapped by it.
// What a driver exports need not hold any pixels for whoever maps the dma-buf itself.

import { dlopen, ptr, toArrayBuffer } from "bun:ffi";
import { asPointer } from "../../src/ffi/libc.ts";
import { gbmName, openGbm } from "../../src/ffi/gbm.ts";
import { type DmabufImage, readDmabuf } from "../../src/picture/dmabuf.ts";
import { Fourcc } from "../../src/picture/drm-formats.ts";
import { DrmNode } from "../../src/transport/os/drm-node.ts";
import { closeFd, createMemfd } from "../../src/transport/os/fds.ts";
import { NativeMemory } from "../../src/transport/os/native-memory.ts";

const GBM_BO_IMPORT_FD = 0x5503;
const GBM_BO_USE_RENDERING = 4;
const GBM_BO_TRANSFER_READ = 1;

type Reader = typeof readDmabuf;

/** A reader of what GPUs share on the node at `path`. It is open until the process ends. */
function gpuReader(path: string): Reader {
  const gbm = openGbm();
  const { gbm_bo_import } = dlopen(gbmName, {
    gbm_bo_import: { args: ["ptr", "u32", "ptr", "u32"], returns: "ptr" },
  }).symbols;
  const device = gbm.gbm_create_device(DrmNode.open(path).fd);
  if (device === null) throw new Error(`gbm has no driver for ${path}`);

  return (image, rect, target) => {
    const { fd, width, height, stride } = image;
    // struct gbm_import_fd_data. Only the size of a pixel matters, and this format every driver knows.
    const what = Uint32Array.of(fd, width, height, stride, Fourcc.XRGB8888);
    const buffer = gbm_bo_import(device, GBM_BO_IMPORT_FD, ptr(what), GBM_BO_USE_RENDERING);
    if (buffer === null) throw new Error(`${path} does not import ${width}x${height} pixels`);
    const mappedStride = new Uint32Array(1);
    const handle = new BigUint64Array(1);
    const flags = GBM_BO_TRANSFER_READ;
    const address = gbm.gbm_bo_map(buffer, 0, 0, width, height, flags, mappedStride, handle);
    if (address === null) throw new Error(`${path} does not map what it has imported`);
    const bytes = mappedStride[0]! * height;
    const copy = createMemfd("copy", bytes);
    try {
      fill(copy, bytes, new Uint8Array(toArrayBuffer(asPointer(Number(address)), 0, bytes)));
      const plain: Partial<DmabufImage> = { fd: copy, offset: 0, modifierHigh: 0, modifierLow: 0 };
      readDmabuf({ ...image, ...plain, stride: mappedStride[0]! }, rect, target);
    } finally {
      closeFd(copy);
      gbm.gbm_bo_unmap(buffer, asPointer(Number(handle[0])));
      gbm.gbm_bo_destroy(buffer);
    }
  };
}

function fill(fd: number, bytes: number, content: Uint8Array): void {
  const memory = NativeMemory.mapShared(fd, 0, bytes, "write");
  new Uint8Array(memory.view()).set(content);
  memory.unmap();
}

const node = process.env["FENCEPOST_RENDER_NODE"];
let reader: Reader | null = null;

/** Reads through the node that this run of the tests is about, or else by mapping. */
export const readShared: Reader = (image, rect, target) => {
  reader ??= node === undefined ? readDmabuf : gpuReader(node);
  reader(image, rect, target);
};
