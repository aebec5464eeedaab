// A wl_buffer of a surface's own storage: the compositor reads what the guest has drawn, without a copy. The surface
// is read from the attach on until the compositor has released the buffer.

import { formatOfFourcc } from "../../../../picture/drm-formats.ts";
import type { WlBuffer } from "../../../../transport/wire/wayland/protocol.ts";
import { bytesPerPixel } from "../../../../transport/wire/virtio-gpu/protocol.ts";
import { DmabufSurface } from "../../surfaces/dmabuf-surface.ts";
import type { MemorySurface } from "../../surfaces/memory-surface.ts";
import type { AnySurface } from "../../surfaces/surfaces.ts";
import type { Compositor } from "./compositor.ts";
import { opaqueFourcc, shmCode } from "./shm-formats.ts";

/** Sizes and offsets of wl_shm are signed words. */
const poolBytesMax = 0x7fff_ffff;

export class LentBuffer {
  private isBusy = false;

  private constructor(
    readonly surface: AnySurface,
    readonly buffer: WlBuffer,
    freed: (buffer: LentBuffer) => void,
  ) {
    buffer.listener = {
      release: () => {
        this.released();
        freed(this);
      },
    };
  }

  /** Lends `surface`; null where the compositor does not take it as it is. `freed` hears of every release. */
  static of(
    surface: AnySurface,
    compositor: Compositor,
    freed: (buffer: LentBuffer) => void,
  ): LentBuffer | null {
    const buffer =
      surface instanceof DmabufSurface ? importDmabuf(surface, compositor) : wrapMemory(surface, compositor);
    return buffer === null ? null : new LentBuffer(surface, buffer, freed);
  }

  /** It is about to be attached. Attached again before it was released, it is released once. */
  attached(): void {
    if (this.isBusy) return;
    this.isBusy = true;
    this.surface.read();
  }

  /** It is attached nowhere: the compositor need not say so any more. */
  destroy(): void {
    this.buffer.destroy();
    this.released();
  }

  get isFree(): boolean {
    return !this.isBusy;
  }

  private released(): void {
    if (!this.isBusy) return;
    this.isBusy = false;
    this.surface.readDone();
  }
}

function importDmabuf(surface: DmabufSurface, { dmabufs }: Compositor): WlBuffer | null {
  const format = formatOfFourcc(surface.fourcc);
  const fourcc = format === undefined ? undefined : opaqueFourcc(format);
  if (dmabufs === null || fourcc === undefined || !dmabufs.has(fourcc, surface)) return null;
  return dmabufs.import(surface, fourcc);
}

function wrapMemory(surface: MemorySurface, { shm, shmFormats }: Compositor): WlBuffer | null {
  const { fd, offset, stride, width, height } = surface;
  const fourcc = opaqueFourcc(surface.format);
  if (fd < 0 || fourcc === undefined || !shmFormats.has(shmCode(fourcc))) return null;
  const bytes = offset + stride * height;
  // The last row may be shorter than its stride, and wl_shm wants all of it.
  if (bytes > poolBytesMax || bytes > surface.fileBytes || stride < width * bytesPerPixel) return null;
  const pool = shm!.createPool(fd, bytes);
  const buffer = pool.createBuffer(offset, width, height, stride, shmCode(fourcc));
  pool.destroy();
  return buffer;
}
