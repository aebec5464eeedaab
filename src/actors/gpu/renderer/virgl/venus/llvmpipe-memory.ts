// Where llvmpipe's memory begins in the memfd that it exports as a Vulkan driver's own kind. The kind is not to be read by
// others; but without it nothing of lavapipe's could be mapped on a host that has no /dev/udmabuf.
//
// Mesa (src/util/os_memory_fd.c, 21.1 and later) puts a header before the memory: the length of the file and the offset of
// the memory in it, 64 bits each, and 16 bytes of the driver's build. Tried with 22.3 and 25.0: the offset is one page.

import { cString, libc } from "../../../../../ffi/libc.ts";
import { sizeOfFd } from "../../../../../transport/os/fds.ts";

const link = "/memfd:llvmpipe memory fd (deleted)";
const headerBytes = 32;
const pageBytes = 4096;

/** The offset in bytes, a whole page; -1 where the descriptor is nothing that looks so. */
export function llvmpipeOffset(fd: number): number {
  if (linkOf(fd) !== link) return -1;
  const header = new DataView(new ArrayBuffer(headerBytes));
  if (libc.pread(fd, new Uint8Array(header.buffer), headerBytes, 0) !== headerBytes) return -1;
  const bytes = Number(header.getBigUint64(0, true));
  const offset = Number(header.getBigUint64(8, true));
  const isLikely = bytes === sizeOfFd(fd) && offset > 0 && offset < bytes && offset % pageBytes === 0;
  return isLikely ? offset : -1;
}

function linkOf(fd: number): string {
  const text = new Uint8Array(link.length + 1);
  const length = libc.readlink(cString(`/proc/self/fd/${fd}`), text, text.length);
  return new TextDecoder().decode(text.subarray(0, Math.max(0, length)));
}
