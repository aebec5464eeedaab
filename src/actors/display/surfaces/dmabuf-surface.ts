// A surface in a dma-buf, which is handed on to whoever shows it and mapped only to take a picture of it.

import { type DmabufImage, readDmabuf, UnreadableDmabuf } from "../../../picture/dmabuf.ts";
import { fourccName, isImplicit, isLinear, modifierName } from "../../../picture/drm-formats.ts";
import { SystemError } from "../../../transport/os/errors.ts";
import { closeFd } from "../../../transport/os/fds.ts";
import type { Rect } from "../../../picture/damage.ts";
import type { DisplayMessage } from "../messages.ts";
import { Surface, type SurfaceLives, UnreadableSurface } from "./surface.ts";

type DmabufMessage = Extract<DisplayMessage, { type: "add-dmabuf-surface" }>;

export class DmabufSurface extends Surface implements DmabufImage {
  /** Open for as long as it is read. */
  readonly fd: number;
  readonly stride: number;
  readonly offset: number;
  readonly fourcc: number;
  readonly modifierHigh: number;
  readonly modifierLow: number;
  readonly flags: number;

  /** Takes over the descriptor of `message`. */
  constructor(message: DmabufMessage, lives: SurfaceLives, released: (surface: Surface) => void) {
    super(message, lives, released);
    this.fd = message.fd;
    this.stride = message.stride;
    this.offset = message.offset;
    this.fourcc = message.fourcc;
    this.modifierHigh = message.modifierHigh;
    this.modifierLow = message.modifierLow;
    this.flags = message.flags;
    const { fd, width, height } = this;
    this.ready(fd < 0 || width === 0 || height === 0 ? `${width}x${height} pixels of dma-buf ${fd}` : "");
  }

  /** DRM_FORMAT_MOD_INVALID: it has no modifier that could be told. */
  get isImplicit(): boolean {
    return isImplicit(this);
  }

  /** Whether whoever shows it must know its modifier. */
  get needsModifier(): boolean {
    return !isLinear(this) && !isImplicit(this);
  }

  copy(rect: Rect, target: Uint32Array): void {
    try {
      readDmabuf(this, rect, target);
    } catch (error) {
      if (!(error instanceof UnreadableDmabuf) && !(error instanceof SystemError)) throw error;
      throw new UnreadableSurface(error.message);
    }
  }

  describe(): Record<string, unknown> {
    return { fourcc: fourccName(this.fourcc), modifier: modifierName(this) };
  }

  protected free(): void {
    closeFd(this.fd);
  }
}
