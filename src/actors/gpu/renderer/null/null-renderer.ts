// The renderer where there is none: it stands behind no feature, and refuses what a device without 3D is never asked.
// 2D resources stay in the CPU's storage.

import { EINVAL, ENOSYS } from "../../../../ffi/libc.ts";
import { Lack } from "../lack.ts";
import type { Renderer, RendererDescription } from "../renderer.ts";

export class NullRenderer implements Renderer {
  readonly lack = new Lack();
  readonly description: RendererDescription = { renderer: "software" };
  readonly features = 0;
  readonly capsets = [];
  readonly epoch = 0;
  readonly pollFd = -1;
  onFence: (fence: number) => void = () => {};
  onContextFence: (context: number, ring: number, fence: number) => void = () => {};
  onContextLost: (context: number, reason: string) => void = () => {};
  onTrouble: (text: string) => void = () => {};
  onWritten = null;

  fillCapset(): void {}

  createContext(): number {
    return ENOSYS;
  }

  destroyContext(): void {}

  processOf(): number {
    return 0;
  }

  attachResource(): void {}
  detachResource(): void {}

  submit(): number {
    return ENOSYS;
  }

  createResource(): number {
    return ENOSYS;
  }

  /** No context has made any memory. */
  createBlob(): number {
    return EINVAL;
  }

  exportBlob(): null {
    return null;
  }

  unrefResource(): void {}

  attachBacking(): number {
    return ENOSYS;
  }

  detachBacking(): void {}
  memoryChanging(): void {}
  memoryChanged(): void {}

  transfer(): number {
    return ENOSYS;
  }

  copyPixels(): number {
    return ENOSYS;
  }

  createFence(): number {
    return ENOSYS;
  }

  createContextFence(): number {
    return ENOSYS;
  }

  poll(): void {}

  exportFence(): number {
    return -1;
  }

  exportDmabuf(): null {
    return null;
  }

  flush(): void {}
  close(): void {}
}
