// Bytes that another actor has copied for us, and sent as a descriptor.

import { closeFd } from "./fds.ts";
import { NativeMemory } from "./native-memory.ts";

/** The first `count` bytes of the file, whose descriptor it takes over. Throws where they cannot be mapped. */
export function bytesIn(fd: number, count: number): Uint8Array<ArrayBuffer> {
  try {
    const memory = NativeMemory.mapShared(fd, 0, count, "read");
    const bytes = new Uint8Array(memory.view()).slice();
    memory.unmap();
    return bytes;
  } finally {
    closeFd(fd);
  }
}
