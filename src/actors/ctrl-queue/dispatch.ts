// From a command's number to the code that runs it.

import { Command as Type, GetCapset, GetCapsetInfo, Response } from "../../transport/virtio-gpu/protocol.ts";
import type { Request } from "../queue/request.ts";
import { type Command, commands2d } from "./commands-2d.ts";
import type { Device } from "./device.ts";

/** Numbers are 0x0100 to 0x01ff (2D) and 0x0200 to 0x02ff (3D): a table over both. */
const tableBase = 0x0100;
const tableSize = 0x0200;

/** One function for every command number of the ctrl queue. */
export function dispatcher(device: Device): Command {
  const table: Command[] = Array.from({ length: tableSize }, () => unknown);
  const set = (type: number, command: Command): void => {
    table[type - tableBase] = command;
  };
  const twoD = commands2d(device);
  const { questions } = device;
  set(Type.GET_DISPLAY_INFO, (request) => questions.displayInfo(request));
  set(Type.GET_EDID, (request) => questions.edid(request));
  set(Type.RESOURCE_CREATE_2D, twoD.create);
  set(Type.RESOURCE_UNREF, twoD.unref);
  set(Type.SET_SCANOUT, twoD.setScanout);
  set(Type.RESOURCE_FLUSH, twoD.flush);
  set(Type.TRANSFER_TO_HOST_2D, twoD.transfer);
  set(Type.RESOURCE_ATTACH_BACKING, twoD.attachBacking);
  set(Type.RESOURCE_DETACH_BACKING, twoD.detachBacking);
  set(Type.GET_CAPSET_INFO, noCapset(GetCapsetInfo.bytes));
  set(Type.GET_CAPSET, noCapset(GetCapset.bytes));
  return (request) => {
    const { type } = request;
    const index = type - tableBase;
    return index >= 0 && index < tableSize ? table[index]!(request) : Response.ERR_UNSPEC;
  };
}

/** A device without VIRGL has no capsets, so every index and id is out of range. */
function noCapset(bytes: number): Command {
  return (request) => (request.length < bytes ? Response.ERR_UNSPEC : Response.ERR_INVALID_PARAMETER);
}

function unknown(_request: Request): number {
  return Response.ERR_UNSPEC;
}
