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

let importing: ReturnType<typeof openImport> | null = null;

const openImport = () =>
  dlopen(gbmName, { gbm_bo_import: { args: ["ptr", "u32", "ptr", "u32"], returns: "ptr" } }).symbols;

/** Reads what GPUs share on the node at `path`, which is open for this one picture: no test leaves a driver behind. */
function readOn(path: string, ...[image, rect, target]: Parameters<Reader>): void {
  const gbm = openGbm();
  importing ??= openImport();
  const node = DrmNode.open(path);
  const device = gbm.gbm_create_device(node.fd);
  try {
    if (device === null) throw new Error(`gbm has no driver for ${path}`);
    const { fd, width, height, stride } = image;
    // struct gbm_import_fd_data. Only the size of a pixel matters, and this format every driver knows.
    const what = Uint32Array.of(fd, width, height, stride, Fourcc.XRGB8888);
    const buffer = importing.gbm_bo_import(device, GBM_BO_IMPORT_FD, ptr(what), GBM_BO_USE_RENDERING);
    if (buffer === null) throw new Error(`${path} does not import ${width}x${height} pixels`);
    try {
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
      }
    } finally {
      gbm.gbm_bo_destroy(buffer);
    }
  } finally {
    if (device !== null) gbm.gbm_device_destroy(device);
    node.close();
  }
}

function fill(fd: number, bytes: number, content: Uint8Array): void {
  const memory = NativeMemory.mapShared(fd, 0, bytes, "write");
  new Uint8Array(memory.view()).set(content);
  memory.unmap();
}

const node = process.env["FENCEPOST_RENDER_NODE"];

/** Reads through the node that this run of the tests is about, or else by mapping. */
export const readShared: Reader = (image, rect, target) =>
  node === undefined ? readDmabuf(image, rect, target) : readOn(node, image, rect, target);
