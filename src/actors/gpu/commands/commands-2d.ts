// The 2D commands (virtio 1.3 §5.7.6.8). Each answers its response type, and changes nothing when it refuses.

import { blockLayout } from "../../../picture/formats.ts";
import {
  AttachBacking,
  bytesPerPixel,
  DetachBacking,
  isFormat,
  MemoryEntry,
  ResourceCreate2d,
  ResourceFlush,
  ResourceUnref,
  Response,
  SetScanout,
  TransferToHost2d,
} from "../../../transport/wire/virtio-gpu/protocol.ts";
import { errorCodeOf, eventIndex, isRefused, step } from "../../machines/table.ts";
import type { Request } from "../../queue/request.ts";
import { codeOfErrno } from "./errno.ts";
import { Backing } from "../renderer/backing.ts";
import type { Device } from "../device.ts";
import { isPicture } from "../pixels/rendered-resources.ts";
import type { Resource } from "../model/resources.ts";
import { memfdBytes } from "../pixels/storage/memfd-storage.ts";

/** Runs one command; answers the response's type. */
export type Command = (request: Request) => number;

export interface Commands2d {
  create: Command;
  unref: Command;
  setScanout: Command;
  flush: Command;
  transfer: Command;
  attachBacking: Command;
  detachBacking: Command;
}

/** The 2D commands over `device`, with the events of their machines looked up once. */
export function commands2d(device: Device): Commands2d {
  const { resources, outbox, queue, context, scanoutStates } = device;
  const { resource: machine, scanout: scanoutMachine } = context.machines;
  const event = {
    create: eventIndex(machine, "CREATE_2D"),
    unref: eventIndex(machine, "UNREF"),
    setScanout: eventIndex(machine, "SET_SCANOUT"),
    flush: eventIndex(machine, "RESOURCE_FLUSH"),
    transfer: eventIndex(machine, "TRANSFER_TO_HOST_2D"),
    attach: eventIndex(machine, "ATTACH_BACKING"),
    detach: eventIndex(machine, "DETACH_BACKING"),
    showCpu: eventIndex(scanoutMachine, "SHOW_CPU"),
    showGpu: eventIndex(scanoutMachine, "SHOW_GPU"),
    disable: eventIndex(scanoutMachine, "DISABLE"),
  };
  const absent = machine.initial;

  function create(request: Request): number {
    if (request.length < ResourceCreate2d.bytes) return Response.ERR_UNSPEC;
    const id = request.u32(ResourceCreate2d.resourceId);
    if (id === 0) return Response.ERR_INVALID_RESOURCE_ID;
    const next = step(machine, resources.get(id)?.state ?? absent, event.create);
    if (isRefused(next)) return errorCodeOf(next);
    const format = request.u32(ResourceCreate2d.format);
    const width = request.u32(ResourceCreate2d.width);
    const height = request.u32(ResourceCreate2d.height);
    if (!isFormat(format) || width === 0 || height === 0) return Response.ERR_INVALID_PARAMETER;
    // Exact below 2^53, and far above every limit where it is not.
    if (!resources.hasRoom(memfdBytes(width, height))) return Response.ERR_OUT_OF_MEMORY;
    resources.add(id, width, height, format).state = next;
    return Response.OK_NODATA;
  }

  function unref(request: Request): number {
    if (request.length < ResourceUnref.bytes) return Response.ERR_UNSPEC;
    const resource = resources.get(request.u32(ResourceUnref.resourceId));
    const next = step(machine, resource?.state ?? absent, event.unref);
    if (isRefused(next)) return errorCodeOf(next);
    device.unref(resource!);
    return Response.OK_NODATA;
  }

  function setScanout(request: Request): number {
    if (request.length < SetScanout.bytes) return Response.ERR_UNSPEC;
    const scanout = request.u32(SetScanout.scanoutId);
    if (!device.isPlugged(scanout)) return Response.ERR_INVALID_SCANOUT_ID;
    const id = request.u32(SetScanout.resourceId);
    if (id === 0) return disable(scanout);
    const resource = resources.get(id);
    const allowed = step(machine, resource?.state ?? absent, event.setScanout);
    if (isRefused(allowed)) return errorCodeOf(allowed);
    const show = resource!.isRendered ? event.showGpu : event.showCpu;
    const next = step(scanoutMachine, scanoutStates[scanout]!, show);
    if (isRefused(next)) return errorCodeOf(next);
    const x = request.u32(SetScanout.x);
    const y = request.u32(SetScanout.y);
    const width = request.u32(SetScanout.width);
    const height = request.u32(SetScanout.height);
    if (width === 0 || height === 0 || !holds(resource!, x, y, width, height)) {
      return Response.ERR_INVALID_PARAMETER;
    }
    if (!isPicture(resource!)) return Response.ERR_INVALID_PARAMETER;
    if (resource!.pixels() === null) return Response.ERR_OUT_OF_MEMORY;
    resource!.state = allowed;
    scanoutStates[scanout] = next;
    device.replaceShown(scanout, resource!);
    outbox.show(scanout, resource!, x, y, width, height);
    return Response.OK_NODATA;
  }

  function disable(scanout: number): number {
    const next = step(scanoutMachine, scanoutStates[scanout]!, event.disable);
    if (isRefused(next)) return errorCodeOf(next);
    scanoutStates[scanout] = next;
    device.replaceShown(scanout, null);
    outbox.hide(scanout);
    return Response.OK_NODATA;
  }

  function flush(request: Request): number {
    if (request.length < ResourceFlush.bytes) return Response.ERR_UNSPEC;
    const resource = resources.get(request.u32(ResourceFlush.resourceId));
    const next = step(machine, resource?.state ?? absent, event.flush);
    if (isRefused(next)) return errorCodeOf(next);
    const x = request.u32(ResourceFlush.x);
    const y = request.u32(ResourceFlush.y);
    const width = request.u32(ResourceFlush.width);
    const height = request.u32(ResourceFlush.height);
    if (!holds(resource!, x, y, width, height)) return Response.ERR_INVALID_PARAMETER;
    if (resource!.scanouts !== 0) outbox.damage(resource!, x, y, width, height);
    return Response.OK_NODATA;
  }

  function transfer(request: Request): number {
    if (request.length < TransferToHost2d.bytes) return Response.ERR_UNSPEC;
    const resource = resources.get(request.u32(TransferToHost2d.resourceId));
    const next = step(machine, resource?.state ?? absent, event.transfer);
    if (isRefused(next)) return errorCodeOf(next);
    const x = request.u32(TransferToHost2d.x);
    const y = request.u32(TransferToHost2d.y);
    const width = request.u32(TransferToHost2d.width);
    const height = request.u32(TransferToHost2d.height);
    const offset = request.u64(TransferToHost2d.offset);
    if (!holds(resource!, x, y, width, height)) return Response.ERR_INVALID_PARAMETER;
    if (width === 0 || height === 0) return Response.OK_NODATA;
    if (resource!.isRendered) return transferRendered(resource!, x, y, width, height, offset);
    const { stride, backing } = resource!;
    // Rows lie a resource's stride apart in the backing; the last one need not be padded.
    const span = stride * (height - 1) + width * bytesPerPixel;
    const held = Math.min(span, backing!.length - offset);
    if (held <= 0) return Response.OK_NODATA;
    const storage = resource!.pixels();
    if (storage === null) return Response.ERR_OUT_OF_MEMORY;
    queue.copiedBytes += held;
    const destination = storage.beginWrite(x, y, width, height);
    if (destination === 0) return Response.ERR_UNSPEC;
    const { writeStride } = storage;
    const isAdjacent = width === resource!.width && writeStride === stride;
    const isWhole = isAdjacent
      ? backing!.copyTo(offset, destination, held)
      : copyRows(backing!, offset, held, stride, destination, writeStride, width * bytesPerPixel);
    storage.endWrite();
    return isWhole ? Response.OK_NODATA : Response.ERR_UNSPEC;
  }

  /** The renderer knows the same layout: rows are as long as the resource is wide. What the backing lacks stays. */
  function transferRendered(
    resource: Resource,
    x: number,
    y: number,
    width: number,
    height: number,
    offset: number,
  ): number {
    const { rows, nextRow, step } = partHeld(resource, width, height, offset);
    const whole = transferBox(resource, x, y, width, rows, offset);
    if (whole !== Response.OK_NODATA) return whole;
    return transferBox(resource, x, y + rows, nextRow, 1, offset + step);
  }

  function transferBox(
    resource: Resource,
    x: number,
    y: number,
    width: number,
    height: number,
    offset: number,
  ): number {
    if (width === 0 || height === 0) return Response.OK_NODATA;
    const rendered = device.gpu.resources;
    const words = [x, y, 0, width, height, 1];
    const transfer = { words, at: 0, level: 0, stride: 0, layerStride: 0, offset };
    return codeOfErrno(rendered.transfer("to-host", resource, 0, transfer));
  }

  function attachBacking(request: Request): number {
    if (request.length < AttachBacking.bytes) return Response.ERR_UNSPEC;
    const resource = resources.get(request.u32(AttachBacking.resourceId));
    const next = step(machine, resource?.state ?? absent, event.attach);
    if (isRefused(next)) return errorCodeOf(next);
    const count = request.u32(AttachBacking.entryCount);
    if (count > context.config.backingEntriesMax) return Response.ERR_OUT_OF_MEMORY;
    if (request.length < AttachBacking.bytes + count * MemoryEntry.bytes)
      return Response.ERR_INVALID_PARAMETER;
    const backing = Backing.read(queue.memory, request.words, AttachBacking.bytes, count);
    if (backing === null) return Response.ERR_INVALID_PARAMETER;
    if (!device.attachBacking(resource!, backing)) return Response.ERR_OUT_OF_MEMORY;
    resource!.state = next;
    return Response.OK_NODATA;
  }

  function detachBacking(request: Request): number {
    if (request.length < DetachBacking.bytes) return Response.ERR_UNSPEC;
    const resource = resources.get(request.u32(DetachBacking.resourceId));
    const next = step(machine, resource?.state ?? absent, event.detach);
    if (isRefused(next)) return errorCodeOf(next);
    device.detachBacking(resource!);
    resource!.state = next;
    return Response.OK_NODATA;
  }

  return { create, unref, setScanout, flush, transfer, attachBacking, detachBacking };
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

/** Whether the rectangle lies inside of the resource. u32 sums are exact in a Number. */
function holds(resource: Resource, x: number, y: number, width: number, height: number): boolean {
  return x + width <= resource.width && y + height <= resource.height;
}
