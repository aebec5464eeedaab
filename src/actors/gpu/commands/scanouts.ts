// What is shown where (virtio 1.3 §5.7.6.8). Each returns its response's type, and changes nothing when it refuses.

import {
  BlobMem,
  ResourceFlush,
  Response,
  SetScanout,
  SetScanoutBlob,
} from "../../../transport/wire/virtio-gpu/protocol.ts";
import type { QueueRecording } from "../../queue/recording.ts";
import type { Request } from "../../queue/request.ts";
import type { Resource } from "../model/resources.ts";
import type { Scanout } from "../model/scanouts.ts";
import type { BlobPixels } from "../pixels/blobs/blob-pixels.ts";
import { BlobLayout } from "../pixels/blobs/layout.ts";
import { isPicture } from "../pixels/form.ts";
import type { Parts } from "./parts.ts";
import { recordFrame } from "./recorded-frames.ts";

export class ScanoutCommands {
  private readonly scanouts;
  private readonly resources;
  private readonly event;
  private readonly inCpu: Uint8Array;
  private readonly layout = new BlobLayout();

  constructor(private readonly parts: Parts) {
    const { scanout, resource } = parts.model.lifecycles;
    this.scanouts = scanout;
    this.resources = resource;
    this.inCpu = resource.statesWith("cpu2d");
    this.event = {
      disable: scanout.event("DISABLE"),
      showCpu: scanout.event("SHOW_CPU"),
      showGpu: scanout.event("SHOW_GPU"),
      showBlob: scanout.event("SHOW_BLOB"),
      set: resource.event("SET_SCANOUT"),
      setBlob: resource.event("SET_SCANOUT_BLOB"),
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

  /** Formats of ours have one plane: the other strides and offsets mean nothing. */
  setBlob(request: Request): number {
    const { model, outbox, queue } = this.parts;
    const scanout = model.scanouts.at(request.u32(SetScanoutBlob.scanoutId));
    const refusal = this.scanouts.may(scanout, this.event.disable);
    if (refusal !== 0) return refusal;
    const id = request.u32(SetScanoutBlob.resourceId);
    if (id === 0) return this.disable(scanout!);
    const resource = model.resources.get(id);
    const refused = this.resources.may(resource, this.event.setBlob);
    if (refused !== 0) return refused;
    const layout = this.layout.read(request);
    const x = request.u32(SetScanoutBlob.x);
    const y = request.u32(SetScanoutBlob.y);
    const width = request.u32(SetScanoutBlob.width);
    const height = request.u32(SetScanoutBlob.height);
    const { size, mem } = resource!.blob!;
    const isInside = layout.fits(size) && width > 0 && height > 0 && layout.holds(x, y, width, height);
    if (!isInside) return Response.ERR_INVALID_PARAMETER;
    const blob = resource!.pixels as BlobPixels;
    if (mem !== BlobMem.GUEST && !(layout.isAligned && blob.isShareable)) return Response.ERR_UNSPEC;
    const view = model.viewOf(blob, layout);
    this.resources.take(resource!, this.event.setBlob);
    this.scanouts.take(scanout!, this.event.showBlob);
    scanout!.show(resource!, view);
    outbox.show(scanout!.id, view, x, y, width, height);
    // What a display reads where the guest writes it is told as if it were transferred.
    if (queue.recording !== null) view.pixels.record(queue.recording, x, y, width, height);
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
    if (recording !== null) this.record(recording, resource!, x, y, width, height);
    outbox.damage(resource!, x, y, width, height);
    return Response.OK_NODATA;
  }

  private record(
    recording: QueueRecording,
    resource: Resource,
    x: number,
    y: number,
    width: number,
    height: number,
  ): void {
    const { model, outbox } = this.parts;
    const { id: name, scanouts } = resource;
    if (resource.blob === null) return recordFrame(recording, scanouts, name, resource, x, y, width, height);
    for (let bits = resource.scanouts; bits !== 0; bits &= bits - 1) {
      const id = 31 - Math.clz32(bits & -bits);
      const { picture } = model.scanouts.at(id)!;
      const view = outbox.viewOf(id);
      const left = Math.max(x, view.x);
      const top = Math.max(y, view.y);
      const right = Math.min(x + width, view.x + view.width);
      const bottom = Math.min(y + height, view.y + view.height);
      if (right <= left || bottom <= top) continue;
      picture!.pixels.record(recording, left, top, right - left, bottom - top);
      recordFrame(recording, 1 << id, name, picture!, left, top, right - left, bottom - top);
    }
  }

  private disable(scanout: Scanout): number {
    this.scanouts.take(scanout, this.event.disable);
    scanout.show(null);
    this.parts.outbox.hide(scanout.id);
    return Response.OK_NODATA;
  }
}
