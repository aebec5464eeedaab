// A copy of what a scanout shows, for a file: the cursor is not in it.

import { closeFd, createMemfd } from "../../transport/os/fds.ts";
import { NativeMemory } from "../../transport/os/native-memory.ts";
import { convertToBgrx } from "../../transport/pixels.ts";
import { bytesPerPixel } from "../../transport/virtio-gpu/protocol.ts";
import type { View } from "./scanout.ts";

/** A new memfd with `view`'s pixels, tightly packed, as bytes B, G, R, X. The caller owns it. Throws SystemError. */
export function takeSnapshot({ surface, x, y, width, height }: View): number {
  const bytes = width * height * bytesPerPixel;
  const fd = createMemfd("fencepost-snapshot", bytes);
  try {
    const memory = NativeMemory.mapShared(fd, 0, bytes, "write");
    const stride = surface.stride / bytesPerPixel;
    const target = new Uint32Array(memory.view());
    convertToBgrx(surface.format, surface.pixels, y * stride + x, stride, width, height, target);
    memory.unmap();
  } catch (error) {
    closeFd(fd);
    throw error;
  }
  return fd;
}
