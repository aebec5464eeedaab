// How commands of a GPU begin and are answered (virtio 1.3 §5.7.6.7).

import { Header, HeaderFlag, ResourceUuid, Response } from "../../transport/wire/virtio-gpu/protocol.ts";
import type { CommandForm } from "../queue/command-form.ts";

export const gpuCommands: CommandForm = {
  headerBytes: Header.bytes,
  ok: Response.OK_NODATA,
  firstError: Response.ERR_UNSPEC,
  // The resource may be gone by then.
  lasting: { type: Response.OK_RESOURCE_UUID, bodyBytes: ResourceUuid.bytes - Header.bytes },
  malformed: Response.ERR_UNSPEC,
  tooLong: Response.ERR_OUT_OF_MEMORY,

  /** A fenced request's flag, fence id, context and ring are echoed. */
  writeHeader(response, type, request): void {
    response[0] = type;
    if ((request[Header.flags / 4]! & HeaderFlag.FENCE) !== 0) {
      response[1] = request[Header.flags / 4]! & (HeaderFlag.FENCE | HeaderFlag.INFO_RING_IDX);
      response[2] = request[2]!;
      response[3] = request[3]!;
      response[4] = request[4]!;
      response[5] = request[5]! & 0xff;
    } else {
      // Five stores; a call of fill() costs more.
      response[1] = 0;
      response[2] = 0;
      response[3] = 0;
      response[4] = 0;
      response[5] = 0;
    }
  },
};
