// What an errno of the renderer is to the guest.

import { EFAULT, EIO, ENOMEM } from "../../../ffi/libc.ts";
import { Response } from "../../../transport/wire/virtio-gpu/protocol.ts";

/** The response's type: OK for 0; EFAULT, that a backing is no guest memory just now, is nobody's mistake. */
export function codeOfErrno(errno: number): number {
  switch (errno) {
    case 0:
      return Response.OK_NODATA;
    case ENOMEM:
      return Response.ERR_OUT_OF_MEMORY;
    case EFAULT:
    case EIO:
      return Response.ERR_UNSPEC;
    default:
      return Response.ERR_INVALID_PARAMETER;
  }
}
