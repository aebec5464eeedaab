// Storage in linear buffers of a GPU's driver: made by gbm, mapped by it for each write, read and shared by their dma-bufs.

import { ptr } from "bun:ffi";
import {
  type Gbm,
  GBM_BO_TRANSFER_WRITE,
  type GbmBuffer,
  type GbmDevice,
  GBM_BO_USE_LINEAR,
  GBM_BO_USE_RENDERING,
  gbmName,
  openGbm,
} from "../../../../ffi/gbm.ts";
import { asPointer, libc } from "../../../../ffi/libc.ts";
import { Fourcc } from "../../../../picture/drm-formats.ts";
import type { DrmNode } from "../../../../transport/os/drm-node.ts";
import { closeFd, sizeOfFd } from "../../../../transport/os/fds.ts";
import { NativeMemory } from "../../../../transport/os/native-memory.ts";
import { bytesPerPixel } from "../../../../transport/wire/virtio-gpu/protocol.ts";
import { giveDescriptor, takeDescriptor } from "./descriptors.ts";
import { Storage } from "./storage.ts";
import { StorageUnavailable, TierUnavailable } from "./tier.ts";

/** DRM_FORMAT_MOD_LINEAR, and DRM_FORMAT_MOD_INVALID of a driver without modifiers, which was asked for linear. */
const linearModifiers: readonly bigint[] = [0n, 0x00ff_ffff_ffff_ffffn];
const probeSize = 64;
/** What one view of memory shows, and one memset clears. */
const bytesMax = 2 ** 32 - 1;

/** The buffers of one node. */
export class GbmBuffers {
  private constructor(
    private readonly gbm: Gbm,
    readonly node: DrmNode,
    private readonly device: GbmDevice,
  ) {}

  /** Takes over `node`. Throws {@link TierUnavailable} where its buffers can't be made, shared or mapped. */
  static open(node: DrmNode): GbmBuffers {
    let buffers: GbmBuffers | null = null;
    try {
      const gbm = loadGbm();
      const device = gbm.gbm_create_device(node.fd);
      if (device === null) throw new TierUnavailable(`gbm has no driver for ${node.path}`);
      buffers = new GbmBuffers(gbm, node, device);
      buffers.probe();
      return buffers;
    } catch (error) {
      if (buffers !== null) buffers.close();
      else node.close();
      if (error instanceof TierUnavailable) throw error;
      throw new TierUnavailable((error as Error).message);
    }
  }

  /** Zero-filled storage. Throws as Tier.create does. */
  create(width: number, height: number): GbmStorage {
    const { gbm, node } = this;
    takeDescriptor();
    const use = GBM_BO_USE_LINEAR | GBM_BO_USE_RENDERING;
    // Pixels of all formats are as large, and what they mean is nothing to the driver.
    const bo = gbm.gbm_bo_create(this.device, width, height, Fourcc.XRGB8888, use);
    if (bo === null) {
      giveDescriptor();
      throw new StorageUnavailable(`${node.path} makes no linear buffer of ${width}x${height} pixels`);
    }
    let fd = -1;
    let memory: NativeMemory | null = null;
    try {
      // Ahead of gbm's own export, which would make it read-only.
      fd = node.exportBuffer(Number(gbm.gbm_bo_get_handle(bo)));
      // That one tells the driver that the memory is never to become another buffer's.
      closeFd(gbm.gbm_bo_get_fd(bo));
      const stride = gbm.gbm_bo_get_stride(bo);
      const size = sizeOfFd(fd);
      if (size > bytesMax)
        throw new StorageUnavailable(`${size} bytes are more than one view of memory shows`);
      if (!linearModifiers.includes(gbm.gbm_bo_get_modifier(bo)))
        throw new StorageUnavailable(`${node.path} has tiled buffers only`);
      if (stride % bytesPerPixel !== 0 || stride * height > size) {
        throw new StorageUnavailable(`${node.path} puts rows of ${stride} bytes into ${size} bytes`);
      }
      memory = NativeMemory.mapShared(fd, 0, size, "write");
      const storage = new GbmStorage(fd, memory, stride, gbm, bo);
      storage.clear(width, height);
      return storage;
    } catch (error) {
      giveDescriptor();
      memory?.unmap();
      closeFd(fd);
      gbm.gbm_bo_destroy(bo);
      throw error;
    }
  }

  close(): void {
    this.gbm.gbm_device_destroy(this.device);
    this.node.close();
  }

  /** Shows that what is written here is what others read. */
  private probe(): void {
    const storage = this.create(probeSize, probeSize);
    try {
      const row = Uint32Array.from({ length: probeSize }, (_, x) => x + 1);
      const address = storage.beginWrite(0, probeSize - 1, probeSize, 1);
      if (address === 0) throw new TierUnavailable(`buffers of ${this.node.path} cannot be mapped`);
      libc.memcpy(asPointer(address), ptr(row), row.byteLength);
      storage.endWrite();
      const again = NativeMemory.mapShared(storage.fd, 0, storage.size, "read");
      const lastRow = new Uint32Array(again.view(storage.stride * (probeSize - 1), row.byteLength));
      const isSame = row.every((pixel, x) => lastRow[x] === pixel);
      again.unmap();
      if (!isSame) throw new TierUnavailable(`buffers of ${this.node.path} read otherwise than written`);
    } finally {
      storage.free();
    }
  }
}

/** Where gbm puts what a mapping is: its stride, and the handle that ends it, low half first. */
const mappedStride = new Uint32Array(1);
const mappedHandle = new Uint32Array(2);

class GbmStorage extends Storage {
  readonly fitsGpu = true;
  override readonly needsDriver = true;
  private mapping = 0;

  /** Takes over all that it is given, and one of the process's descriptors. */
  constructor(
    fd: number,
    memory: NativeMemory,
    readonly stride: number,
    private readonly gbm: Gbm,
    private readonly buffer: GbmBuffer,
  ) {
    super(fd, memory);
  }

  /** Drivers may keep what they show in other memory, and bring it there when the mapping ends. */
  override beginWrite(x: number, y: number, width: number, height: number): number {
    const { gbm, buffer } = this;
    const flags = GBM_BO_TRANSFER_WRITE;
    // gbm refuses to overwrite one.
    mappedHandle.fill(0);
    const address = gbm.gbm_bo_map(buffer, x, y, width, height, flags, mappedStride, mappedHandle);
    if (address === null) return 0;
    this.mapping = mappedHandle[0]! + mappedHandle[1]! * 2 ** 32;
    return Number(address);
  }

  override get writeStride(): number {
    return mappedStride[0]!;
  }

  override endWrite(): void {
    this.gbm.gbm_bo_unmap(this.buffer, asPointer(this.mapping));
  }

  /** Throws where it cannot be mapped. */
  clear(width: number, height: number): void {
    // What lies behind the last row is shared too.
    libc.memset(asPointer(this.address), 0, this.size);
    const address = this.beginWrite(0, 0, width, height);
    if (address === 0) throw new StorageUnavailable("it cannot be mapped");
    libc.memset(asPointer(address), 0, this.writeStride * (height - 1) + width * bytesPerPixel);
    this.endWrite();
  }

  dmabuf(): number {
    return this.fd;
  }

  protected recycle(): void {
    this.onGone?.();
    this.memory.unmap();
    closeFd(this.fd);
    this.gbm.gbm_bo_destroy(this.buffer);
    giveDescriptor();
  }
}

function loadGbm(): Gbm {
  try {
    return openGbm();
  } catch {
    throw new TierUnavailable(`${gbmName} is not there (Debian: apt-get install libgbm1)`);
  }
}
