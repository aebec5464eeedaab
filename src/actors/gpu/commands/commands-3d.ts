// The 3D commands (virtio 1.3 §5.7.6.9). Each answers its response type, and changes nothing when it refuses.

import { EINVAL } from "../../../ffi/libc.ts";
import { blockLayout } from "../../../picture/formats.ts";
import {
  CtxCreate,
  CtxResource,
  Feature,
  Header,
  ResourceCreate3d,
  Response,
  Submit3d,
  Transfer3d,
} from "../../../transport/wire/virtio-gpu/protocol.ts";
import { errorCodeOf, eventIndex, isRefused, step } from "../../machines/table.ts";
import type { Request } from "../../queue/request.ts";
import type { Command } from "./commands-2d.ts";
import { codeOfErrno } from "./errno.ts";
import type { GpuContext } from "../model/contexts.ts";
import type { Device } from "../device.ts";
import type { Gpu } from "../model/gpu.ts";
import type { Direction, Transfer } from "../renderer/transfer.ts";
import type { Resource, Shape } from "../model/resources.ts";

export interface Commands3d {
  createContext: Command;
  destroyContext: Command;
  attachResource: Command;
  detachResource: Command;
  createResource: Command;
  transferToHost: Command;
  transferFromHost: Command;
  submit: Command;
}

/** The library counts pixels in signed words. */
const sizeMax = 0x7fff_ffff;
/** The low byte of `context_init` is the capset that the context is for. */
const capsetMask = 0xff;

/** The 3D commands over `gpu`, with the events of their machines looked up once. */
export function commands3d(device: Device, gpu: Gpu): Commands3d {
  const { resources, queue } = device;
  const { renderer, contexts } = gpu;
  const { resource: machine, context: contextMachine, attachment } = device.context.machines;
  const event = {
    create: eventIndex(contextMachine, "CTX_CREATE"),
    destroy: eventIndex(contextMachine, "CTX_DESTROY"),
    attach: eventIndex(contextMachine, "CTX_ATTACH"),
    detach: eventIndex(contextMachine, "CTX_DETACH"),
    submit: eventIndex(contextMachine, "SUBMIT_3D"),
    toHost: eventIndex(contextMachine, "TRANSFER_TO_HOST_3D"),
    fromHost: eventIndex(contextMachine, "TRANSFER_FROM_HOST_3D"),
    fault: eventIndex(contextMachine, "FAULT"),
    createResource: eventIndex(machine, "CREATE_3D"),
    attachResource: eventIndex(machine, "CTX_ATTACH"),
    detachResource: eventIndex(machine, "CTX_DETACH"),
    transferToHost: eventIndex(machine, "TRANSFER_TO_HOST_3D"),
    transferFromHost: eventIndex(machine, "TRANSFER_FROM_HOST_3D"),
    pairAttach: eventIndex(attachment, "CTX_ATTACH"),
    pairDetach: eventIndex(attachment, "CTX_DETACH"),
  };
  const attached = step(attachment, attachment.initial, event.pairAttach);
  const pairState = (context: GpuContext, resource: number): number =>
    context.resources.has(resource) ? attached : attachment.initial;
  const transfer: Transfer = {
    words: queue.request.words,
    at: Transfer3d.x / 4,
    level: 0,
    stride: 0,
    layerStride: 0,
    offset: 0,
  };

  const contextOf = (request: Request): GpuContext | undefined => contexts.get(request.u32(Header.contextId));
  const stepContext = (context: GpuContext | undefined, what: number): number =>
    step(contextMachine, context?.state ?? contextMachine.initial, what);
  const stepResource = (resource: Resource | undefined, what: number): number =>
    step(machine, resource?.state ?? machine.initial, what);

  function createContext(request: Request): number {
    if (request.length < CtxCreate.bytes) return Response.ERR_UNSPEC;
    const id = request.u32(Header.contextId);
    // Context 0 is the device's own.
    if (id === 0) return Response.ERR_INVALID_CONTEXT_ID;
    const next = stepContext(contexts.get(id), event.create);
    if (isRefused(next)) return errorCodeOf(next);
    const capset = device.has(Feature.CONTEXT_INIT) ? request.u32(CtxCreate.contextInit) & capsetMask : 0;
    if (capset !== 0 && !renderer.capsets.some((one) => one.id === capset)) {
      return Response.ERR_INVALID_PARAMETER;
    }
    if (!contexts.hasRoom) return Response.ERR_OUT_OF_MEMORY;
    const length = Math.min(request.u32(CtxCreate.nameLength), CtxCreate.nameBytesMax);
    if (renderer.createContext(id, capset, CtxCreate.name, length) !== 0) return Response.ERR_OUT_OF_MEMORY;
    contexts.add(id, next);
    return Response.OK_NODATA;
  }

  function destroyContext(request: Request): number {
    const context = contextOf(request);
    const next = stepContext(context, event.destroy);
    if (isRefused(next)) return errorCodeOf(next);
    gpu.destroyContext(context!.id);
    return Response.OK_NODATA;
  }

  function attachResource(request: Request): number {
    if (request.length < CtxResource.bytes) return Response.ERR_UNSPEC;
    const context = contextOf(request);
    const allowed = stepContext(context, event.attach);
    if (isRefused(allowed)) return errorCodeOf(allowed);
    const resource = resources.get(request.u32(CtxResource.resourceId));
    const next = stepResource(resource, event.attachResource);
    if (isRefused(next)) return errorCodeOf(next);
    const pair = step(attachment, pairState(context!, resource!.id), event.pairAttach);
    if (isRefused(pair)) return errorCodeOf(pair);
    if (!resource!.isRendered && !device.promote(resource!)) return Response.ERR_OUT_OF_MEMORY;
    resource!.state = next;
    renderer.attachResource(context!.id, resource!.id);
    context!.resources.add(resource!.id);
    return Response.OK_NODATA;
  }

  function detachResource(request: Request): number {
    if (request.length < CtxResource.bytes) return Response.ERR_UNSPEC;
    const context = contextOf(request);
    const allowed = stepContext(context, event.detach);
    if (isRefused(allowed)) return errorCodeOf(allowed);
    const resource = resources.get(request.u32(CtxResource.resourceId));
    const next = stepResource(resource, event.detachResource);
    if (isRefused(next)) return errorCodeOf(next);
    const pair = step(attachment, pairState(context!, resource!.id), event.pairDetach);
    if (isRefused(pair)) return errorCodeOf(pair);
    resource!.state = next;
    renderer.detachResource(context!.id, resource!.id);
    context!.resources.delete(resource!.id);
    return Response.OK_NODATA;
  }

  function createResource(request: Request): number {
    if (request.length < ResourceCreate3d.bytes) return Response.ERR_UNSPEC;
    const id = request.u32(ResourceCreate3d.resourceId);
    if (id === 0) return Response.ERR_INVALID_RESOURCE_ID;
    const next = stepResource(resources.get(id), event.createResource);
    if (isRefused(next)) return errorCodeOf(next);
    const format = request.u32(ResourceCreate3d.format);
    const width = request.u32(ResourceCreate3d.width);
    const height = request.u32(ResourceCreate3d.height);
    const shape: Shape = {
      target: request.u32(ResourceCreate3d.target),
      depth: request.u32(ResourceCreate3d.depth),
      arraySize: request.u32(ResourceCreate3d.arraySize),
      lastLevel: request.u32(ResourceCreate3d.lastLevel),
      samples: request.u32(ResourceCreate3d.samples),
      flags: request.u32(ResourceCreate3d.flags),
    };
    const layout = blockLayout(format);
    const sizes = [width, height, shape.depth, shape.arraySize];
    if (layout === undefined || sizes.some((size) => size === 0 || size > sizeMax)) {
      return Response.ERR_INVALID_PARAMETER;
    }
    // The library allows one more, of which GL then makes nothing.
    if (2 ** shape.lastLevel > Math.max(width, height, shape.depth)) return Response.ERR_INVALID_PARAMETER;
    const blocks = Math.ceil(width / layout.width) * Math.ceil(height / layout.height);
    const layers = shape.depth * shape.arraySize * Math.max(1, shape.samples);
    // All smaller levels together are a third of the first.
    const levels = shape.lastLevel === 0 ? 1 : 4 / 3;
    // Exact below 2^53, and far above every limit where it is not.
    const bytes = Math.ceil(blocks * layout.bytes * layers * levels);
    if (!resources.hasRoom(bytes)) return Response.ERR_OUT_OF_MEMORY;
    const words = request.words.subarray(ResourceCreate3d.target / 4, ResourceCreate3d.flags / 4 + 1);
    const error = renderer.createResource(id, words);
    if (error !== 0) return codeOfErrno(error);
    const resource = resources.add(id, width, height, format, bytes, shape);
    resource.isRendered = true;
    resource.state = next;
    return Response.OK_NODATA;
  }

  function transferToHost(request: Request): number {
    return run(request, "to-host", event.toHost, event.transferToHost);
  }

  function transferFromHost(request: Request): number {
    return run(request, "from-host", event.fromHost, event.transferFromHost);
  }

  function run(request: Request, direction: Direction, contextEvent: number, resourceEvent: number): number {
    if (request.length < Transfer3d.bytes) return Response.ERR_UNSPEC;
    const resource = resources.get(request.u32(Transfer3d.resourceId));
    const contextId = request.u32(Header.contextId);
    if (contextId !== 0) {
      const context = contexts.get(contextId);
      const allowed = stepContext(context, contextEvent);
      if (isRefused(allowed)) return errorCodeOf(allowed);
      if (resource !== undefined && !context!.resources.has(resource.id)) {
        return Response.ERR_INVALID_RESOURCE_ID;
      }
    }
    const next = stepResource(resource, resourceEvent);
    if (isRefused(next)) return errorCodeOf(next);
    transfer.level = request.u32(Transfer3d.level);
    transfer.stride = request.u32(Transfer3d.stride);
    transfer.layerStride = request.u32(Transfer3d.layerStride);
    transfer.offset = request.u64(Transfer3d.offset);
    return codeOfErrno(gpu.resources.transfer(direction, resource!, contextId, transfer));
  }

  function submit(request: Request): number {
    if (request.length < Submit3d.bytes) return Response.ERR_UNSPEC;
    const context = contextOf(request);
    const allowed = stepContext(context, event.submit);
    if (isRefused(allowed)) return errorCodeOf(allowed);
    const size = request.u32(Submit3d.size);
    if (size % 4 !== 0 || Submit3d.bytes + size > request.length) return Response.ERR_INVALID_PARAMETER;
    if (size === 0) return Response.OK_NODATA;
    const error = renderer.submit(context!.id, Submit3d.bytes, size);
    if (error === 0) return Response.OK_NODATA;
    // The stream made no sense: what comes after it would make less.
    if (error === EINVAL) {
      context!.state = stepContext(context, event.fault);
      device.context.log.guest(
        () => `context ${context!.id} is lost: the renderer refused its command stream`,
      );
    }
    return codeOfErrno(error);
  }

  return {
    createContext,
    destroyContext,
    attachResource,
    detachResource,
    createResource,
    transferToHost,
    transferFromHost,
    submit,
  };
}
