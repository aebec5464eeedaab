// Pixels in memory of the renderer's: the display has what that shares.

import { EIO, ENOMEM } from "../../../../ffi/libc.ts";
import { readDmabuf, UnreadableDmabuf } from "../../../../picture/dmabuf.ts";
import { fourccOfFormat } from "../../../../picture/drm-formats.ts";
import { asRefusal } from "../../../../transport/os/errors.ts";
import { closeFd } from "../../../../transport/os/fds.ts";
import type { ExportedBlob } from "../../renderer/blob.ts";
import type { CopiedPicture } from "../copied-picture.ts";
import { type DisplayTakes, Pixels, type SurfaceMessage } from "../pixels.ts";
import { hasDescriptor } from "../storage/descriptors.ts";
import type { BlobView } from "./blob-view.ts";

/** Whose memory they are in. */
interface Sharer {
  shareMemory(): ExportedBlob | null;
}

export class HostView extends Pixels {
  readonly bytesTaken = 0;
  readonly epoch = -1;
  readonly isRendered = false;
  readonly mayBeDmabuf = false;

  constructor(
    private readonly view: BlobView,
    private readonly blob: Sharer,
  ) {
    super(view);
  }

  transfer(): number {
    return 0;
  }

  memory(): null {
    return null;
  }

  lend(): null {
    return null;
  }

  /** Maps the memory for as long as the look takes. */
  look({ words }: CopiedPicture): number {
    const { view } = this;
    const shared = this.blob.shareMemory();
    if (shared === null) return ENOMEM;
    const { fd } = shared;
    try {
      const { width, height, layout } = view;
      const fourcc = fourccOfFormat(view.format)!;
      const offset = shared.offset + layout.offset;
      const image = { fd, width, height, stride: layout.stride, offset, fourcc, flags: 0 };
      const linear = { modifierHigh: 0, modifierLow: 0 };
      readDmabuf(Object.assign(image, linear), { x: 0, y: 0, width, height }, words);
      return 0;
    } catch (error) {
      if (!(error instanceof UnreadableDmabuf)) asRefusal(error);
      return EIO;
    } finally {
      closeFd(fd);
    }
  }

  close(): null {
    this.withdraw();
    return null;
  }

  protected override offerPages(name: number, _takes: DisplayTakes): SurfaceMessage | null {
    const { width, height, format, layout } = this.view;
    const shared = hasDescriptor() ? this.blob.shareMemory() : null;
    if (shared === null) return null;
    const { fd, kind } = shared;
    const { stride, span: bytes } = layout;
    const offset = shared.offset + layout.offset;
    const fourcc = fourccOfFormat(format)!;
    const [surface, flags, modifierHigh, modifierLow] = [name, 0, 0, 0];
    const place = { surface, fd, offset, stride, width, height };
    return this.give(
      "pages",
      kind === "memory"
        ? Object.assign(place, { type: "add-surface" as const, bytes, format })
        : Object.assign(place, {
            type: "add-dmabuf-surface" as const,
            fourcc,
            flags,
            modifierHigh,
            modifierLow,
          }),
    );
  }

  protected bring(): number {
    return 0;
  }

  protected current(): null {
    return null;
  }
}
