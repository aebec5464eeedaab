// Pixels on their way between a resource and its backing (virtio 1.3 §5.7.6.8, §5.7.6.9). Each returns its response's
// type, and changes nothing when it refuses.

import {
  Header,
  Response,
  Transfer3d,
  TransferToHost2d,
} from "../../../transport/wire/virtio-gpu/protocol.ts";
import type { Request } from "../../queue/request.ts";
import { untold } from "../pixels/pixels.ts";
import { type Direction, type Transfer, transferOf } from "../renderer/transfer.ts";
import { codeOfErrno } from "./errno.ts";
import type { Parts } from "./parts.ts";

export class TransferCommands {
  private readonly contexts;
  private readonly resources;
  private readonly event;
  private readonly transfer: Transfer;

  constructor(private readonly parts: Parts) {
    const { context, resource } = parts.model.lifecycles;
    this.contexts = context;
    this.resources = resource;
    this.event = {
      toHost2d: resource.event("TRANSFER_TO_HOST_2D"),
      toHost: resource.event("TRANSFER_TO_HOST_3D"),
      fromHost: resource.event("TRANSFER_FROM_HOST_3D"),
      contextToHost: context.event("TRANSFER_TO_HOST_3D"),
      contextFromHost: context.event("TRANSFER_FROM_HOST_3D"),
    };
    const { words } = parts.queue.request;
    this.transfer = transferOf(words, Transfer3d.x / 4);
  }

  /** What the backing lacks of it is left as it is, as QEMU's device does. */
  toHost2d(request: Request): number {
    const { model, queue, reads } = this.parts;
    const resource = model.resources.get(request.u32(TransferToHost2d.resourceId));
    const refusal = this.resources.may(resource, this.event.toHost2d);
    if (refusal !== 0) return refusal;
    const x = request.u32(TransferToHost2d.x);
    const y = request.u32(TransferToHost2d.y);
    const width = request.u32(TransferToHost2d.width);
    const height = request.u32(TransferToHost2d.height);
    const offset = request.u64(TransferToHost2d.offset);
    if (!resource!.holds(x, y, width, height)) return Response.ERR_INVALID_PARAMETER;
    if (width === 0 || height === 0) return Response.OK_NODATA;
    // A backing of no entries is none.
    if (resource!.backing!.length === 0) return Response.ERR_UNSPEC;
    const { recording } = queue;
    const { pixels, backing } = resource!;
    let error: number = untold;
    if (recording !== null && pixels.isRendered) {
      error = pixels.transferTold(recording, backing!, x, y, width, height, offset);
      if (error === untold) reads.rectangle(recording, resource!, width, height, offset);
    }
    if (recording !== null && resource!.blob !== null)
      reads.cursor(recording, resource!, width, height, offset);
    if (error === untold) error = pixels.transfer(backing!, x, y, width, height, offset);
    if (error !== 0) return codeOfErrno(error);
    this.resources.take(resource!, this.event.toHost2d);
    return Response.OK_NODATA;
  }

  toHost3d(request: Request): number {
    return this.run(request, "to-host", this.event.contextToHost, this.event.toHost);
  }

  fromHost3d(request: Request): number {
    return this.run(request, "from-host", this.event.contextFromHost, this.event.fromHost);
  }

  private run(request: Request, direction: Direction, contextEvent: number, resourceEvent: number): number {
    const { model } = this.parts;
    const resource = model.resources.get(request.u32(Transfer3d.resourceId));
    const contextId = request.u32(Header.contextId);
    // Context 0 is the device's own, and reaches every resource.
    const context = contextId === 0 ? undefined : model.contexts.get(contextId);
    if (contextId !== 0) {
      const refusal = this.contexts.may(context, contextEvent);
      if (refusal !== 0) return refusal;
      if (resource !== undefined && !context!.attachments.has(resource.id)) {
        return Response.ERR_INVALID_RESOURCE_ID;
      }
    }
    const refused = this.resources.may(resource, resourceEvent);
    if (refused !== 0) return refused;
    const { transfer } = this;
    const { reads, queue } = this.parts;
    transfer.level = request.u32(Transfer3d.level);
    transfer.stride = request.u32(Transfer3d.stride);
    transfer.layerStride = request.u32(Transfer3d.layerStride);
    transfer.offset = request.u64(Transfer3d.offset);
    const { recording } = queue;
    if (recording !== null && direction === "to-host") reads.box(recording, resource!, transfer);
    const error = resource!.pixels.transferBox(direction, contextId, transfer);
    if (error !== 0) return codeOfErrno(error);
    if (context !== undefined) this.contexts.take(context, contextEvent);
    this.resources.take(resource!, resourceEvent);
    return Response.OK_NODATA;
  }
}
