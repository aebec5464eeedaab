// What is shown where (virtio 1.3 §5.7.6.8). Each returns its response's type, and changes nothing when it refuses.

import { ResourceFlush, Response, SetScanout } from "../../../transport/wire/virtio-gpu/protocol.ts";
import type { Request } from "../../queue/request.ts";
import type { Scanout } from "../model/scanouts.ts";
import { isPicture } from "../pixels/form.ts";
import type { Parts } from "./parts.ts";
import { recordFrame } from "./recorded-frames.ts";

export class ScanoutCommands {
  private readonly scanouts;
  private readonly resources;
  private readonly event;
  private readonly inCpu: Uint8Array;

  constructor(private readonly parts: Parts) {
    const { scanout, resource } = parts.model.lifecycles;
    this.scanouts = scanout;
    this.resources = resource;
    this.inCpu = resource.statesWith("cpu2d");
    this.event = {
      disable: scanout.event("DISABLE"),
      showCpu: scanout.event("SHOW_CPU"),
      showGpu: scanout.event("SHOW_GPU"),
      set: resource.event("SET_SCANOUT"),
      flush: resource.event("RESOURCE_FLUSH"),
    };
  }

  set(request: Request): number {
    const { model, outbox } = this.parts;
    const scanout = model.scanouts.at(request.u32(SetScanout.scanoutId));
    // What is there can be turned off. The id is checked before the short cut for that (qemu#383).
    const refusal = this.scanouts.may(scanout, this.event.disable);
    if (refusal !== 0) return refusal;
    const id = request.u32(SetScanout.resourceId);
    if (id === 0) return this.disable(scanout!);
    const resource = model.resources.get(id);
    const refused = this.resources.may(resource, this.event.set);
    if (refused !== 0) return refused;
    const x = request.u32(SetScanout.x);
    const y = request.u32(SetScanout.y);
    const width = request.u32(SetScanout.width);
    const height = request.u32(SetScanout.height);
    if (width === 0 || height === 0 || !resource!.holds(x, y, width, height)) {
      return Response.ERR_INVALID_PARAMETER;
    }
    if (!isPicture(resource!)) return Response.ERR_INVALID_PARAMETER;
    if (resource!.pixels.memory() === null) return Response.ERR_OUT_OF_MEMORY;
    this.resources.take(resource!, this.event.set);
    const isInCpu = this.resources.isIn(resource!, this.inCpu);
    this.scanouts.take(scanout!, isInCpu ? this.event.showCpu : this.event.showGpu);
    scanout!.show(resource!);
    outbox.show(scanout!.id, resource!, x, y, width, height);
    return Response.OK_NODATA;
  }

  flush(request: Request): number {
    const { model, outbox, queue } = this.parts;
    const resource = model.resources.get(request.u32(ResourceFlush.resourceId));
    const refusal = this.resources.may(resource, this.event.flush);
    if (refusal !== 0) return refusal;
    const x = request.u32(ResourceFlush.x);
    const y = request.u32(ResourceFlush.y);
    const width = request.u32(ResourceFlush.width);
    const height = request.u32(ResourceFlush.height);
    if (!resource!.holds(x, y, width, height)) return Response.ERR_INVALID_PARAMETER;
    this.resources.take(resource!, this.event.flush);
    if (resource!.scanouts === 0) return Response.OK_NODATA;
    const { recording } = queue;
    if (recording !== null) recordFrame(recording, resource!, x, y, width, height);
    outbox.damage(resource!, x, y, width, height);
    return Response.OK_NODATA;
  }

  private disable(scanout: Scanout): number {
    this.scanouts.take(scanout, this.event.disable);
    scanout.show(null);
    this.parts.outbox.hide(scanout.id);
    return Response.OK_NODATA;
  }
}
