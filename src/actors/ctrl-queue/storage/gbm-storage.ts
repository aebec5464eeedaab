// Storage in linear buffers of a GPU's driver: made by gbm, mapped and shared by their dma-bufs.

import {
  type Gbm,
  type GbmDevice,
  GBM_BO_USE_LINEAR,
  GBM_BO_USE_RENDERING,
  gbmName,
  openGbm,
} from "../../../ffi/gbm.ts";
import { Fourcc } from "../../../transport/drm-formats.ts";
import type { DrmNode } from "../../../transport/drm-node.ts";
import { closeFd, sizeOfFd } from "../../../transport/os/fds.ts";
import { NativeMemory } from "../../../transport/os/native-memory.ts";
import { bytesPerPixel } from "../../../transport/virtio-gpu/protocol.ts";
import { giveDescriptor, takeDescriptor } from "./descriptors.ts";
import { Storage } from "./storage.ts";
import { TierUnavailable } from "./tier.ts";

/** DRM_FORMAT_MOD_LINEAR, and DRM_FORMAT_MOD_INVALID of a driver without modifiers, which was asked for linear. */
const linearModifiers: readonly bigint[] = [0n, 0x00ff_ffff_ffff_ffffn];
const probeSize = 64;

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

  /** Zero-filled storage. Throws when the driver does not make it. */
  create(width: number, height: number): Storage {
    const { gbm, node } = this;
    takeDescriptor();
    const use = GBM_BO_USE_LINEAR | GBM_BO_USE_RENDERING;
    // Pixels of all formats are as large, and what they mean is nothing to the driver.
    const bo = gbm.gbm_bo_create(this.device, width, height, Fourcc.XRGB8888, use);
    if (bo === null) {
      giveDescriptor();
      throw new Error(`${node.path} makes no linear buffer of ${width}x${height} pixels`);
    }
    let fd = -1;
    try {
      // Ahead of gbm's own export, which would make it read-only.
      fd = node.exportBuffer(Number(gbm.gbm_bo_get_handle(bo)));
      // That one tells the driver that the memory is never to become another buffer's.
      closeFd(gbm.gbm_bo_get_fd(bo));
      const stride = gbm.gbm_bo_get_stride(bo);
      const size = sizeOfFd(fd);
      if (!linearModifiers.includes(gbm.gbm_bo_get_modifier(bo)))
        throw new Error(`${node.path} has tiled buffers only`);
      if (stride % bytesPerPixel !== 0 || stride * height > size) {
        throw new Error(`${node.path} puts rows of ${stride} bytes into ${size} bytes`);
      }
      const memory = NativeMemory.mapShared(fd, 0, size, "write");
      return new GbmStorage(fd, memory, stride, () => gbm.gbm_bo_destroy(bo));
    } catch (error) {
      giveDescriptor();
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
      const pixels = new Uint32Array(storage.view());
      storage.beginWrite();
      pixels.forEach((_, at) => (pixels[at] = at));
      storage.endWrite();
      const again = NativeMemory.mapShared(storage.fd, 0, storage.size, "read");
      const isSame = new Uint32Array(again.view()).every((pixel, at) => pixel === at);
      again.unmap();
      if (!isSame) throw new TierUnavailable(`buffers of ${this.node.path} read otherwise than written`);
    } finally {
      storage.free();
    }
  }
}

class GbmStorage extends Storage {
  readonly fitsGpu = true;

  /** Takes over all that it is given, and one of the process's descriptors. */
  constructor(
    fd: number,
    memory: NativeMemory,
    readonly stride: number,
    private readonly destroyBuffer: () => void,
  ) {
    super(fd, memory);
    this.syncFd = fd;
    this.beginWrite();
    this.clear();
    this.endWrite();
  }

  dmabuf(): number {
    return this.fd;
  }

  protected recycle(): void {
    this.memory.unmap();
    closeFd(this.fd);
    this.destroyBuffer();
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
