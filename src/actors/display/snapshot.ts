// A copy of what a scanout shows, for a file: the cursor is not in it.

import { SystemError } from "../../transport/os/errors.ts";
import { memfdWith } from "../../transport/os/sent-bytes.ts";
import { bytesPerPixel } from "../../transport/wire/virtio-gpu/protocol.ts";
import type { Rect } from "../../picture/damage.ts";
import { UnreadableSurface } from "./surfaces/surface.ts";
import type { View } from "./scanouts/scanout.ts";

/** What a copy may take of the host, which the guest does not pay for. A picture of 8K takes 127 MiB. */
const snapshotBytesMax = 256 * 1024 * 1024;

/**
 * A new memfd with `view`'s pixels, tightly packed, as bytes B, G, R, X. The caller owns it. Throws SystemError, and
 * UnreadableSurface where a CPU can't read it, or where it is too large.
 */
export function takeSnapshot(view: View): number {
  const bytes = view.width * view.height * bytesPerPixel;
  if (bytes > snapshotBytesMax)
    throw new UnreadableSurface(`${view.width}x${view.height} pixels are too many to be copied`);
  return memfdWith("fencepost-snapshot", bytes, (pixels) => view.surface.copy(view, new Uint32Array(pixels)));
}

/** What of `wanted` lies in `view`, copied to a new memfd as above; fd -1 where there is nothing, or `error` says why. */
export function copyRect(view: View | null, wanted: Rect) {
  const [viewWidth, viewHeight] = [view?.width ?? 0, view?.height ?? 0];
  const [x, y] = [Math.min(wanted.x, viewWidth), Math.min(wanted.y, viewHeight)];
  const width = Math.min(wanted.x + wanted.width, viewWidth) - x;
  const height = Math.min(wanted.y + wanted.height, viewHeight) - y;
  const surface = view?.surface.id ?? 0;
  const place = { x, y, width, height, viewWidth, viewHeight, surface };
  if (view === null || width === 0 || height === 0) return { fd: -1, ...place, error: "" };
  try {
    const fd = takeSnapshot({ ...view, x: view.x + x, y: view.y + y, width, height });
    return { fd, ...place, error: "" };
  } catch (error) {
    if (!(error instanceof SystemError) && !(error instanceof UnreadableSurface)) throw error;
    return { fd: -1, ...place, error: error.message };
  }
}
