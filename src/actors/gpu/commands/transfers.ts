// Pixels on their way between a resource and its backing (virtio 1.3 §5.7.6.8, §5.7.6.9). Each returns its response's
// type, and changes nothing when it refuses.

import { blockLayout } from "../../../picture/formats.ts";
import {
  bytesPerPixel,
  Header,
  Response,
  Transfer3d,
  TransferToHost2d,
} from "../../../transport/wire/virtio-gpu/protocol.ts";
import type { Request } from "../../queue/request.ts";
import type { Resource } from "../model/resources.ts";
import type { Backing } from "../renderer/backing.ts";
import type { Direction, Transfer } from "../renderer/transfer.ts";
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
    this.transfer = { words, at: Transfer3d.x / 4, level: 0, stride: 0, layerStride: 0, offset: 0 };
  }

  /** What the backing lacks of it is left as it is, as QEMU's device does. */
  toHost2d(request: Request): number {
    const { model } = this.parts;
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
    const response = resource!.isRendered
      ? this.toRenderer(resource!, x, y, width, height, offset)
      : this.toStorage(resource!, x, y, width, height, offset);
    if (response === Response.OK_NODATA) this.resources.take(resource!, this.event.toHost2d);
    return response;
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
    transfer.level = request.u32(Transfer3d.level);
    transfer.stride = request.u32(Transfer3d.stride);
    transfer.layerStride = request.u32(Transfer3d.layerStride);
    transfer.offset = request.u64(Transfer3d.offset);
    const error = model.rendered.transfer(direction, resource!, contextId, transfer);
    if (error !== 0) return codeOfErrno(error);
    if (context !== undefined) this.contexts.take(context, contextEvent);
    this.resources.take(resource!, resourceEvent);
    return Response.OK_NODATA;
  }

  private toStorage(
    resource: Resource,
    x: number,
    y: number,
    width: number,
    height: number,
    offset: number,
  ): number {
    const { stride, backing } = resource;
    // Rows lie a resource's stride apart in the backing; the last one need not be padded.
    const span = stride * (height - 1) + width * bytesPerPixel;
    const held = Math.min(span, backing!.length - offset);
    if (held <= 0) return Response.OK_NODATA;
    const storage = resource.pixels();
    if (storage === null) return Response.ERR_OUT_OF_MEMORY;
    this.parts.queue.copiedBytes += held;
    const destination = storage.beginWrite(x, y, width, height);
    if (destination === 0) return Response.ERR_UNSPEC;
    const { writeStride } = storage;
    const isAdjacent = width === resource.width && writeStride === stride;
    const isWhole = isAdjacent
      ? backing!.copyTo(offset, destination, held)
      : copyRows(backing!, offset, held, stride, destination, writeStride, width * bytesPerPixel);
    storage.endWrite();
    return isWhole ? Response.OK_NODATA : Response.ERR_UNSPEC;
  }

  /** The renderer knows the same layout: rows are as long as the resource is wide. */
  private toRenderer(
    resource: Resource,
    x: number,
    y: number,
    width: number,
    height: number,
    offset: number,
  ): number {
    const { rows, nextRow, step } = partHeld(resource, width, height, offset);
    const whole = this.boxToRenderer(resource, x, y, width, rows, offset);
    if (whole !== Response.OK_NODATA) return whole;
    return this.boxToRenderer(resource, x, y + rows, nextRow, 1, offset + step);
  }

  private boxToRenderer(
    resource: Resource,
    x: number,
    y: number,
    width: number,
    height: number,
    offset: number,
  ): number {
    if (width === 0 || height === 0) return Response.OK_NODATA;
    const words = [x, y, 0, width, height, 1];
    const transfer = { words, at: 0, level: 0, stride: 0, layerStride: 0, offset };
    return codeOfErrno(this.parts.model.rendered.transfer("to-host", resource, 0, transfer));
  }
}

/**
 * Copies rows one by one, of which the backing holds `held` bytes, the gaps between them included. Returns false, with a
 * part copied, when some of the backing is no longer guest memory.
 */
function copyRows(
  backing: Backing,
  offset: number,
  held: number,
  stride: number,
  destination: number,
  destinationStride: number,
  rowBytes: number,
): boolean {
  let to = destination;
  for (let at = 0; at < held; at += stride) {
    if (!backing.copyTo(offset + at, to, Math.min(rowBytes, held - at))) return false;
    to += destinationStride;
  }
  return true;
}

/**
 * The part of a rectangle whose pixels the backing holds from `offset` on: whole `rows`, and pixels of the one after
 * them, which lies `step` bytes behind the first. Formats with blocks have rows of those.
 */
function partHeld(
  { width: across, format, backing }: Resource,
  width: number,
  height: number,
  offset: number,
): { rows: number; nextRow: number; step: number } {
  const block = blockLayout(format)!;
  const stride = Math.ceil(across / block.width) * block.bytes;
  const rowBytes = Math.ceil(width / block.width) * block.bytes;
  const held = Math.max(0, backing!.length - offset);
  const whole = held < rowBytes ? 0 : Math.floor((held - rowBytes) / stride) + 1;
  const rows = Math.min(height, whole * block.height);
  if (rows === height) return { rows, nextRow: 0, step: 0 };
  const step = whole * stride;
  const blocks = Math.max(0, Math.floor((held - step) / block.bytes));
  return { rows, nextRow: Math.min(width, blocks * block.width), step };
}
