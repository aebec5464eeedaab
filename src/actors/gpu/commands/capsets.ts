// What the renderer can do, as guests ask for it (virtio 1.3 §5.7.6.8 GET_CAPSET_INFO, GET_CAPSET).

import {
  CapsetInfo,
  Feature,
  GetCapset,
  GetCapsetInfo,
  Header,
  Response,
} from "../../../transport/wire/virtio-gpu/protocol.ts";
import type { Request } from "../../queue/request.ts";
import type { CapsetDescription } from "../renderer/renderer.ts";
import type { Parts } from "./parts.ts";

export class CapsetCommands {
  constructor(private readonly parts: Parts) {}

  info(request: Request): number {
    const { queue } = this.parts;
    const capset = this.offered[request.u32(GetCapsetInfo.capsetIndex)];
    if (capset === undefined) return Response.ERR_INVALID_PARAMETER;
    const words = queue.request.responseWords;
    words[CapsetInfo.capsetId / 4] = capset.id;
    words[CapsetInfo.maxVersion / 4] = capset.maxVersion;
    words[CapsetInfo.maxSize / 4] = capset.bytes;
    words[CapsetInfo.maxSize / 4 + 1] = 0;
    queue.responseBytes = CapsetInfo.bytes;
    return Response.OK_CAPSET_INFO;
  }

  content(request: Request): number {
    const { queue, model } = this.parts;
    const id = request.u32(GetCapset.capsetId);
    const version = request.u32(GetCapset.capsetVersion);
    const capset = this.offered.find((one) => one.id === id);
    if (capset === undefined || version > capset.maxVersion) return Response.ERR_INVALID_PARAMETER;
    const { responseWords } = queue.request;
    // The library leaves what it does not know as it is, which must not be an old answer.
    responseWords.fill(0, Header.bytes / 4, Math.ceil((Header.bytes + capset.bytes) / 4));
    model.renderer.fillCapset(id, version, queue.request.responseAt + Header.bytes);
    queue.responseBytes = Header.bytes + capset.bytes;
    return Response.OK_CAPSET;
  }

  /** A device that does no 3D for this driver has none, so every index and id is out of range. */
  private get offered(): readonly CapsetDescription[] {
    const { model } = this.parts;
    return model.has(Feature.VIRGL) ? model.renderer.capsets : none;
  }
}

const none: readonly CapsetDescription[] = [];
