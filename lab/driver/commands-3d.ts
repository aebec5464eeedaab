// Every 3D request as bytes (virtio 1.3 §5.7.6.8, "3d mode commands"). As in commands.ts, nothing is checked.

import {
  Command,
  CtxCreate,
  CtxResource,
  Header,
  ResourceCreate3d,
  Submit3d,
  Transfer3d,
} from "../../src/transport/wire/virtio-gpu/protocol.ts";
import { type HeaderFields, request } from "./commands.ts";

/** In pixels, or in bytes and along x only for a buffer. */
export interface Box {
  x: number;
  y: number;
  z: number;
  width: number;
  height: number;
  depth: number;
}

/** RESOURCE_CREATE_3D's fields, in gallium's terms; what is left out is 1 for sizes, otherwise 0. */
export interface Resource3d {
  resourceId: number;
  target: number;
  format: number;
  bind: number;
  width: number;
  height?: number;
  depth?: number;
  arraySize?: number;
  lastLevel?: number;
  samples?: number;
  flags?: number;
}

/** A transfer between a resource and its backing. `offset` and strides in bytes; stride 0: the level's own. */
export interface Transfer {
  box: Box;
  offset?: number | bigint;
  level?: number;
  stride?: number;
  layerStride?: number;
}

/** `nameLength`: what the request claims, when that is not the length of `name`, of which 64 bytes fit. */
export function createContext(
  contextId: number,
  name = "",
  contextInit = 0,
  header?: HeaderFields,
  nameLength?: number,
): DataView {
  const view = request(Command.CTX_CREATE, CtxCreate.bytes, { ...header, contextId });
  const text = new TextEncoder().encode(name).subarray(0, CtxCreate.nameBytesMax);
  view.setUint32(CtxCreate.nameLength, nameLength ?? text.length, true);
  view.setUint32(CtxCreate.contextInit, contextInit, true);
  new Uint8Array(view.buffer).set(text, CtxCreate.name);
  return view;
}

export function destroyContext(contextId: number, header?: HeaderFields): DataView {
  return request(Command.CTX_DESTROY, Header.bytes, { ...header, contextId });
}

export function attachResource(contextId: number, resourceId: number, header?: HeaderFields): DataView {
  return contextResource(Command.CTX_ATTACH_RESOURCE, contextId, resourceId, header);
}

export function detachResource(contextId: number, resourceId: number, header?: HeaderFields): DataView {
  return contextResource(Command.CTX_DETACH_RESOURCE, contextId, resourceId, header);
}

export function createResource3d(resource: Resource3d, header?: HeaderFields): DataView {
  const view = request(Command.RESOURCE_CREATE_3D, ResourceCreate3d.bytes, header);
  view.setUint32(ResourceCreate3d.resourceId, resource.resourceId, true);
  view.setUint32(ResourceCreate3d.target, resource.target, true);
  view.setUint32(ResourceCreate3d.format, resource.format, true);
  view.setUint32(ResourceCreate3d.bind, resource.bind, true);
  view.setUint32(ResourceCreate3d.width, resource.width, true);
  view.setUint32(ResourceCreate3d.height, resource.height ?? 1, true);
  view.setUint32(ResourceCreate3d.depth, resource.depth ?? 1, true);
  view.setUint32(ResourceCreate3d.arraySize, resource.arraySize ?? 1, true);
  view.setUint32(ResourceCreate3d.lastLevel, resource.lastLevel ?? 0, true);
  view.setUint32(ResourceCreate3d.samples, resource.samples ?? 0, true);
  view.setUint32(ResourceCreate3d.flags, resource.flags ?? 0, true);
  return view;
}

/** Context 0 is the device's own: it reaches every resource. */
export function transferToHost3d(
  contextId: number,
  resourceId: number,
  transfer: Transfer,
  header?: HeaderFields,
): DataView {
  return transfer3d(Command.TRANSFER_TO_HOST_3D, contextId, resourceId, transfer, header);
}

export function transferFromHost3d(
  contextId: number,
  resourceId: number,
  transfer: Transfer,
  header?: HeaderFields,
): DataView {
  return transfer3d(Command.TRANSFER_FROM_HOST_3D, contextId, resourceId, transfer, header);
}

/** `size`: what the request claims, when that is not the length of `stream`. */
export function submit3d(
  contextId: number,
  stream: Uint8Array,
  header?: HeaderFields,
  size: number = stream.length,
): DataView {
  const view = request(Command.SUBMIT_3D, Submit3d.bytes + stream.length, { ...header, contextId });
  view.setUint32(Submit3d.size, size, true);
  new Uint8Array(view.buffer).set(stream, Submit3d.bytes);
  return view;
}

function contextResource(
  type: number,
  contextId: number,
  resourceId: number,
  header?: HeaderFields,
): DataView {
  const view = request(type, CtxResource.bytes, { ...header, contextId });
  view.setUint32(CtxResource.resourceId, resourceId, true);
  return view;
}

function transfer3d(
  type: number,
  contextId: number,
  resourceId: number,
  { box, offset = 0, level = 0, stride = 0, layerStride = 0 }: Transfer,
  header?: HeaderFields,
): DataView {
  const view = request(type, Transfer3d.bytes, { ...header, contextId });
  view.setUint32(Transfer3d.x, box.x, true);
  view.setUint32(Transfer3d.y, box.y, true);
  view.setUint32(Transfer3d.z, box.z, true);
  view.setUint32(Transfer3d.width, box.width, true);
  view.setUint32(Transfer3d.height, box.height, true);
  view.setUint32(Transfer3d.depth, box.depth, true);
  view.setBigUint64(Transfer3d.offset, BigInt(offset), true);
  view.setUint32(Transfer3d.resourceId, resourceId, true);
  view.setUint32(Transfer3d.level, level, true);
  view.setUint32(Transfer3d.stride, stride, true);
  view.setUint32(Transfer3d.layerStride, layerStride, true);
  return view;
}
