// Pixels that another actor has copied for us, and sent as a descriptor.

import { closeFd } from "../../transport/os/fds.ts";
import { NativeMemory } from "../../transport/os/native-memory.ts";

/** The first `bytes` of the file, whose descriptor it takes over. Throws where they cannot be mapped. */
export function pixelsIn(fd: number, bytes: number): Uint8Array<ArrayBuffer> {
  try {
    const memory = NativeMemory.mapShared(fd, 0, bytes, "read");
    const pixels = new Uint8Array(memory.view()).slice();
    memory.unmap();
    return pixels;
  } finally {
    closeFd(fd);
  }
}
