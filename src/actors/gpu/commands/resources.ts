// Making and freeing resources, and giving them their backing (virtio 1.3 §5.7.6.8, §5.7.6.9). Each returns its
// response's type, and changes nothing when it refuses.

import {
  AttachBacking,
  DetachBacking,
  isFormat,
  MemoryEntry,
  OfResource,
  ResourceCreate2d,
  ResourceCreate3d,
  ResourceUnref,
  ResourceUuid,
  Response,
} from "../../../transport/wire/virtio-gpu/protocol.ts";
import { uuidBytes, writeUuid } from "../../../transport/wire/uuid.ts";
import type { Request } from "../../queue/request.ts";
import type { Resource } from "../model/resources.ts";
import type { Shape } from "../pixels/form.ts";
import { textureBytes } from "../pixels/texture-bytes.ts";
import { memfdBytes } from "../pixels/storage/memfd-storage.ts";
import { Backing } from "../renderer/backing.ts";
import { beyond, beyondRenderer } from "./beyond.ts";
import { codeOfErrno } from "./errno.ts";
import type { Parts } from "./parts.ts";

const notMade = "a resource is not made";

export class ResourceCommands {
  private readonly lifecycle;
  private readonly event;

  constructor(private readonly parts: Parts) {
    const { resource } = parts.model.lifecycles;
    this.lifecycle = resource;
    this.event = {
      create2d: resource.event("CREATE_2D"),
      create3d: resource.event("CREATE_3D"),
      attach: resource.event("ATTACH_BACKING"),
      detach: resource.event("DETACH_BACKING"),
      unref: resource.event("UNREF"),
      assignUuid: resource.event("ASSIGN_UUID"),
    };
  }

  create2d(request: Request): number {
    const { resources } = this.parts.model;
    const id = request.u32(ResourceCreate2d.resourceId);
    const refusal = this.mayCreate(id, this.event.create2d);
    if (refusal !== 0) return refusal;
    const format = request.u32(ResourceCreate2d.format);
    const width = request.u32(ResourceCreate2d.width);
    const height = request.u32(ResourceCreate2d.height);
    if (!isFormat(format) || width === 0 || height === 0) return Response.ERR_INVALID_PARAMETER;
    // Exact below 2^53, and far above every limit where it is not.
    const bytes = memfdBytes(width, height);
    const lack = resources.lackFor(bytes);
    if (lack !== null) return beyond(this.parts, lack, notMade);
    this.lifecycle.take(resources.add2d(id, width, height, format, bytes), this.event.create2d);
    return Response.OK_NODATA;
  }

  create3d(request: Request): number {
    const { resources, renderer } = this.parts.model;
    const id = request.u32(ResourceCreate3d.resourceId);
    const refusal = this.mayCreate(id, this.event.create3d);
    if (refusal !== 0) return refusal;
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
    const bytes = textureBytes(format, width, height, shape);
    if (bytes === 0) return Response.ERR_INVALID_PARAMETER;
    const lack = resources.lackFor(bytes);
    if (lack !== null) return beyond(this.parts, lack, notMade);
    const words = request.words.subarray(ResourceCreate3d.target / 4, ResourceCreate3d.flags / 4 + 1);
    const error = renderer.createResource(id, words);
    if (error !== 0) return codeOfErrno(error);
    const resource = resources.add3d(id, width, height, format, bytes, shape);
    this.lifecycle.take(resource, this.event.create3d);
    return Response.OK_NODATA;
  }

  unref(request: Request): number {
    const { model } = this.parts;
    const resource = model.resources.get(request.u32(ResourceUnref.resourceId));
    const refusal = this.lifecycle.may(resource, this.event.unref);
    if (refusal !== 0) return refusal;
    model.unref(resource!);
    return Response.OK_NODATA;
  }

  attachBacking(request: Request): number {
    const { model, context, queue } = this.parts;
    const resource = model.resources.get(request.u32(AttachBacking.resourceId));
    const refusal = this.lifecycle.may(resource, this.event.attach);
    if (refusal !== 0) return refusal;
    const count = request.u32(AttachBacking.entryCount);
    if (count > context.config.backingEntriesMax)
      return beyond(this.parts, "backingEntriesMax", "a resource gets no backing");
    if (request.length < AttachBacking.bytes + count * MemoryEntry.bytes) {
      return Response.ERR_INVALID_PARAMETER;
    }
    const backing = Backing.read(queue.memory, request.words, AttachBacking.bytes, count);
    if (backing === null) return Response.ERR_INVALID_PARAMETER;
    if (backing.length < (resource!.blob?.size ?? 0)) {
      backing.free();
      return Response.ERR_INVALID_PARAMETER;
    }
    if (!model.resources.attachBacking(resource!, backing)) {
      const hasRoom = model.resources.hasRoomFor(backing);
      backing.free();
      return hasRoom
        ? beyondRenderer(this.parts, "a resource gets no backing")
        : beyond(this.parts, "backingPiecesMax", "a resource gets no backing");
    }
    this.lifecycle.take(resource!, this.event.attach);
    return Response.OK_NODATA;
  }

  detachBacking(request: Request): number {
    const { model } = this.parts;
    const resource = model.resources.get(request.u32(DetachBacking.resourceId));
    const refusal = this.lifecycle.may(resource, this.event.detach);
    if (refusal !== 0) return refusal;
    this.detach(resource!);
    return Response.OK_NODATA;
  }

  /** Takes the backing away from a resource that has one. */
  detach(resource: Resource): void {
    this.parts.model.detachBacking(resource);
    this.lifecycle.take(resource, this.event.detach);
  }

  /** Another virtio device of the guest may be told the UUID, and ask for the resource by it: docs/bridge.md. */
  assignUuid(request: Request): number {
    const { model, queue } = this.parts;
    const resource = model.resources.get(request.u32(OfResource.resourceId));
    const refusal = this.lifecycle.may(resource, this.event.assignUuid);
    if (refusal !== 0) return refusal;
    const uuid = model.resources.uuidOf(resource!);
    writeUuid(uuid, queue.request.responseBytes(ResourceUuid.uuid, uuidBytes));
    this.lifecycle.take(resource!, this.event.assignUuid);
    queue.responseBytes = ResourceUuid.bytes;
    return Response.OK_RESOURCE_UUID;
  }

  private mayCreate(id: number, event: number): number {
    if (id === 0) return Response.ERR_INVALID_RESOURCE_ID;
    return this.lifecycle.may(this.parts.model.resources.get(id), event);
  }
}
