// From a command's number to the code that runs it.

import { Command as Type, Feature, Response } from "../../../transport/wire/virtio-gpu/protocol.ts";
import type { Request } from "../../queue/request.ts";
import { capsetCommands } from "./commands-capset.ts";
import { type Command, commands2d } from "./commands-2d.ts";
import { commands3d } from "./commands-3d.ts";
import type { Device } from "../device.ts";

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
  const capsets = capsetCommands(device);
  set(Type.GET_CAPSET_INFO, capsets.info);
  set(Type.GET_CAPSET, capsets.content);
  const threeD = commands3d(device, device.gpu);
  const set3d = (type: number, command: Command): void =>
    set(type, (request) => (device.has(Feature.VIRGL) ? command(request) : Response.ERR_UNSPEC));
  set3d(Type.CTX_CREATE, threeD.createContext);
  set3d(Type.CTX_DESTROY, threeD.destroyContext);
  set3d(Type.CTX_ATTACH_RESOURCE, threeD.attachResource);
  set3d(Type.CTX_DETACH_RESOURCE, threeD.detachResource);
  set3d(Type.RESOURCE_CREATE_3D, threeD.createResource);
  set3d(Type.TRANSFER_TO_HOST_3D, threeD.transferToHost);
  set3d(Type.TRANSFER_FROM_HOST_3D, threeD.transferFromHost);
  set3d(Type.SUBMIT_3D, threeD.submit);
  return (request) => {
    const { type } = request;
    const index = type - tableBase;
    return index >= 0 && index < tableSize ? table[index]!(request) : Response.ERR_UNSPEC;
  };
}

function unknown(_request: Request): number {
  return Response.ERR_UNSPEC;
}
