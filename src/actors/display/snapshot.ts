// A copy of what a scanout shows, for a file: the cursor is not in it.

import { closeFd, createMemfd } from "../../transport/os/fds.ts";
import { NativeMemory } from "../../transport/os/native-memory.ts";
import { bytesPerPixel } from "../../transport/wire/virtio-gpu/protocol.ts";
import type { View } from "./scanouts/scanout.ts";

/**
 * A new memfd with `view`'s pixels, tightly packed, as bytes B, G, R, X. The caller owns it. Throws SystemError, and
 * UnreadableSurface where a CPU can't read it.
 */
export function takeSnapshot(view: View): number {
  const bytes = view.width * view.height * bytesPerPixel;
  const fd = createMemfd("fencepost-snapshot", bytes);
  let memory: NativeMemory | null = null;
  try {
    memory = NativeMemory.mapShared(fd, 0, bytes, "write");
    view.surface.copy(view, new Uint32Array(memory.view()));
  } catch (error) {
    closeFd(fd);
    throw error;
  } finally {
    memory?.unmap();
  }
  return fd;
}
