// What the library shares with others as descriptors: textures as dma-bufs, fences as sync files.

import { ptr } from "bun:ffi";
import { openGlFlush } from "../../../../ffi/egl.ts";
import { asPointer } from "../../../../ffi/libc.ts";
import { ExtendedInfo, ResourceInfo, type Virglrenderer } from "../../../../ffi/virglrenderer.ts";
import { implicitModifier } from "../../../../picture/drm-formats.ts";
import { NativeMemory } from "../../../../transport/os/native-memory.ts";
import type { DmabufPicture } from "../dmabuf.ts";

const infoBytes = 128;

export class Exporter {
  private readonly memory = NativeMemory.allocate(infoBytes);
  private readonly info = new DataView(this.memory.view());
  private readonly glFlush: (() => void) | null;

  /** `hasNode`: nobody else sees pictures that are rendered on the CPU. */
  constructor(
    private readonly library: Virglrenderer,
    private readonly hasNode: boolean,
  ) {
    this.glFlush = hasNode ? openGlFlush() : null;
  }

  /** A sync file of a fence of the device's own timeline that is out; -1 where the host makes none. */
  fence(fence: number): number {
    const { fenceExport } = this.library;
    if (fenceExport === null) return -1;
    const out = new Int32Array([-1]);
    return fenceExport.virgl_renderer_export_fence(fence, ptr(out)) === 0 ? out[0]! : -1;
  }

  /**
   * Starts all that was given to the driver, which keeps some back: others are to see it in a dma-buf. Contexts that are
   * not current were flushed when they ceased to be.
   */
  flush(): void {
    if (this.glFlush === null) return;
    this.library.dmabufExport?.virgl_renderer_force_ctx_0();
    this.glFlush();
  }

  /** The dma-buf of a 2D texture, or null where the host's driver exports none. */
  dmabuf(id: number): DmabufPicture | null {
    const { dmabufExport, extendedInfo, required } = this.library;
    if (dmabufExport === null || !this.hasNode) return null;
    const { info } = this;
    const at = asPointer(this.memory.address);
    if (required.virgl_renderer_resource_get_info(id, at) !== 0) return null;
    const fourcc = info.getUint32(ResourceInfo.fourcc * 4, true);
    const texture = info.getUint32(ResourceInfo.texture * 4, true);
    if (fourcc === 0 || texture === 0) return null;
    const out = new Int32Array(3);
    const address = Number(ptr(out));
    dmabufExport.virgl_renderer_force_ctx_0();
    const error = dmabufExport.virgl_renderer_get_fd_for_texture2(
      texture,
      asPointer(address),
      asPointer(address + 4),
      asPointer(address + 8),
    );
    if (error !== 0) return null;
    this.glFlush?.();
    const [fd, stride, offset] = out as unknown as [number, number, number];
    let modifier = implicitModifier;
    if (extendedInfo?.virgl_renderer_resource_get_info_ext(id, at) === 0) {
      const low = info.getUint32(ExtendedInfo.modifier, true);
      modifier = { modifierHigh: info.getUint32(ExtendedInfo.modifier + 4, true), modifierLow: low };
    }
    return { fd, stride, offset, fourcc, ...modifier };
  }

  close(): void {
    this.memory.unmap();
  }
}
