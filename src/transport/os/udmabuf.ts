// /dev/udmabuf: makes dma-bufs of memfds.

import { openSync } from "node:fs";
import { UDMABUF_CREATE, UDMABUF_FLAGS_CLOEXEC, UdmabufCreate } from "../../ffi/drm.ts";
import { libc } from "../../ffi/libc.ts";
import { checked } from "./errors.ts";
import { closeFd } from "./fds.ts";

export const udmabufPath = "/dev/udmabuf";

export class Udmabuf {
  private readonly request = new Uint32Array(UdmabufCreate.words);

  private constructor(private readonly fd: number) {}

  /** Throws an error with the errno's name as its `code` where the kernel has no such device, or not for this user. */
  static open(): Udmabuf {
    return new Udmabuf(openSync(udmabufPath, "r+"));
  }

  /**
   * A dma-buf, the caller's to close, of the first `bytes` of a memfd: whole pages, which can't be shrunk. The pages are
   * made and pinned. Throws SystemError beyond the kernel's limits (the module's `size_limit_mb`).
   */
  wrap(memfd: number, bytes: number): number {
    const { request } = this;
    request[UdmabufCreate.memfd] = memfd;
    request[UdmabufCreate.flags] = UDMABUF_FLAGS_CLOEXEC;
    request[UdmabufCreate.size] = bytes;
    request[UdmabufCreate.size + 1] = Math.floor(bytes / 2 ** 32);
    return checked(
      libc.ioctl(this.fd, UDMABUF_CREATE, request),
      "ioctl",
      `making a dma-buf of ${bytes} bytes`,
    );
  }

  close(): void {
    closeFd(this.fd);
  }
}
