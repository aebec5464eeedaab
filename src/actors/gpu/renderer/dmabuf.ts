// A picture that the renderer shares with another process: a dma-buf and how its pixels lie.

import type { Modifier } from "../../../picture/drm-formats.ts";

export interface DmabufPicture extends Modifier {
  /** The receiver's to close. */
  fd: number;
  /** Bytes from one row to the next, and before the first. */
  stride: number;
  offset: number;
  /** DRM_FORMAT_*. */
  fourcc: number;
}
