// Resources and fences lent to other devices of the VM: descriptors for the resource bridge.
//
// Storage that was lent never becomes another resource's: a borrower may keep it for as long as it likes.

import { duplicateFd } from "../../transport/os/fds.ts";
import type { ResourceBridgeMessage } from "../messages/resource-bridge.ts";
import { eventIndex, isRefused, step } from "../machines/table.ts";
import type { Device } from "./device.ts";
import { isPicture } from "./rendered-resources.ts";
import type { Resource } from "./resources.ts";

type LentBuffer = Extract<ResourceBridgeMessage, { type: "lent-buffer" }>;
type Buffer = Omit<LentBuffer, "type" | "token">;

export class Exports {
  private readonly event: number;

  constructor(private readonly device: Device) {
    this.event = eventIndex(device.context.machines.resource, "EXPORT");
  }

  /** Answers once every command that already waits has been run: the resource's creation is often one of them. */
  lendResource(token: number, id: number): void {
    this.device.afterCommands.run(() => {
      const buffer = this.bufferOf(id);
      this.device.context.send(
        "resource-bridge",
        buffer === null ? { type: "not-lent", token } : { type: "lent-buffer", token, ...buffer },
      );
    });
  }

  lendFence(token: number, fenceHigh: number, fenceLow: number): void {
    this.device.afterCommands.run(() => {
      const { gpu, context } = this.device;
      const fence = gpu?.fences.numberOf(fenceHigh, fenceLow) ?? 0;
      const fd = fence === 0 ? -1 : gpu!.renderer.exportFence(fence);
      context.send(
        "resource-bridge",
        fd < 0 ? { type: "not-lent", token } : { type: "lent-fence", token, fd },
      );
    });
  }

  private bufferOf(id: number): Buffer | null {
    const { resources, context } = this.device;
    const { resource: machine } = context.machines;
    const resource = resources.get(id);
    if (resource === undefined || isRefused(step(machine, resource.state, this.event))) return null;
    try {
      return resource.isRendered ? this.renderedBuffer(resource) : storageOf(resource);
    } catch (error) {
      context.log.guest(() => `resource ${id} cannot be lent: ${(error as Error).message}`);
      return null;
    }
  }

  /** The renderer's own picture where the host can share it, else a copy of what it is now. */
  private renderedBuffer(resource: Resource): Buffer | null {
    const rendered = this.device.gpu!.resources;
    const picture = rendered.exportDmabuf(resource);
    if (picture !== null) {
      const { fd, stride, offset, modifierHigh, modifierLow } = picture;
      return { fd, stride, offset, modifierHigh, modifierLow };
    }
    if (!isPicture(resource)) return null;
    const { width, height } = resource;
    resource.pixels();
    const error = rendered.readBack(resource, 0, 0, width, height);
    if (error !== 0) throw new Error(`it cannot be read back (errno ${error})`);
    return storageOf(resource);
  }
}

/** The resource's storage, made now if need be: linear. */
function storageOf(resource: Resource): Buffer {
  const storage = resource.pixels();
  const fd = duplicateFd(storage.fd);
  storage.isExported = true;
  return { fd, stride: resource.stride, offset: 0, modifierHigh: 0, modifierLow: 0 };
}
