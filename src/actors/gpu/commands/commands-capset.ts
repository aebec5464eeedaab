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
import type { Command } from "./commands-2d.ts";
import type { Device } from "../device.ts";

/** A device without a renderer has no capsets, so every index and id is out of range. */
export function capsetCommands(device: Device): { info: Command; content: Command } {
  const { queue, gpu } = device;
  const { capsets } = gpu.renderer;

  function info(request: Request): number {
    if (request.length < GetCapsetInfo.bytes) return Response.ERR_UNSPEC;
    const capset = device.has(Feature.VIRGL) ? capsets[request.u32(GetCapsetInfo.capsetIndex)] : undefined;
    if (capset === undefined) return Response.ERR_INVALID_PARAMETER;
    const words = queue.request.responseWords;
    words[CapsetInfo.capsetId / 4] = capset.id;
    words[CapsetInfo.maxVersion / 4] = capset.maxVersion;
    words[CapsetInfo.maxSize / 4] = capset.bytes;
    words[CapsetInfo.maxSize / 4 + 1] = 0;
    queue.responseBytes = CapsetInfo.bytes;
    return Response.OK_CAPSET_INFO;
  }

  function content(request: Request): number {
    if (request.length < GetCapset.bytes) return Response.ERR_UNSPEC;
    const id = request.u32(GetCapset.capsetId);
    const version = request.u32(GetCapset.capsetVersion);
    const capset = device.has(Feature.VIRGL) ? capsets.find((one) => one.id === id) : undefined;
    if (capset === undefined || version > capset.maxVersion) return Response.ERR_INVALID_PARAMETER;
    const { responseWords } = queue.request;
    // The library leaves what it does not know as it is, which must not be an old answer.
    responseWords.fill(0, Header.bytes / 4, Math.ceil((Header.bytes + capset.bytes) / 4));
    gpu.renderer.fillCapset(id, version, queue.request.responseAt + Header.bytes);
    queue.responseBytes = Header.bytes + capset.bytes;
    return Response.OK_CAPSET;
  }

  return { info, content };
}
