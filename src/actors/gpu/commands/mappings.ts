// Mapping host blobs into the guest's window of host-visible memory (virtio 1.3 §5.7.6.8). All is checked here and by the session
// before the front-end is asked (quirks.qemuEndsRefusedChannels); the command is parked until that has answered.

import { SystemError } from "../../../transport/os/errors.ts";
import { closeFd, sizeOfFd } from "../../../transport/os/fds.ts";
import {
  BlobFlag,
  Header,
  MapBlob,
  MapInfo,
  OfResource,
  Response,
} from "../../../transport/wire/virtio-gpu/protocol.ts";
import { PARKED, type Parked } from "../../queue/queue-handler.ts";
import type { Request } from "../../queue/request.ts";
import type { Resource } from "../model/resources.ts";
import type { ExportedBlob } from "../renderer/blob.ts";
import { beyond } from "./beyond.ts";
import { keepOrder } from "./fenced.ts";
import type { Parts } from "./parts.ts";

/** What the guest's pages are: the window's smallest part. */
const pageBytes = 4096;

const wholePages = (bytes: number): number => Math.ceil(bytes / pageBytes) * pageBytes;

/** Nobody waits for its answer any more once it is over. */
interface Open {
  readonly parked: Parked;
  /** Of a command that maps, its resource; else 0. */
  readonly resource: number;
}

export class MapCommands {
  private readonly lifecycle;
  private readonly event;
  private readonly open = new Set<Open>();
  private mapsOpen = 0;
  private hasToldOpaque = false;

  constructor(private readonly parts: Parts) {
    const { resource } = parts.model.lifecycles;
    this.lifecycle = resource;
    this.event = { map: resource.event("MAP_BLOB"), unmap: resource.event("UNMAP_BLOB") };
  }

  mapBlob(request: Request): number {
    const { model, mappings } = this.parts;
    const resource = model.resources.get(request.u32(MapBlob.resourceId));
    const refusal = this.lifecycle.may(resource, this.event.map);
    if (refusal !== 0) return refusal;
    // The front-end has no window for the guest.
    if (mappings.windowBytes === 0) return Response.ERR_UNSPEC;
    const { flags, size } = resource!.blob!;
    const offset = request.u64(MapBlob.offset);
    const bytes = wholePages(size);
    // Offset and size are below 2^53, or infinite: their sum is no less than it is.
    const isInside = offset % pageBytes === 0 && offset + bytes <= mappings.windowBytes;
    if ((flags & BlobFlag.MAPPABLE) === 0 || !isInside) return Response.ERR_INVALID_PARAMETER;
    if (this.mapsOpen >= this.parts.context.config.mappingsMax)
      return beyond(this.parts, "mappingsMax", "a blob is not mapped");
    const blob = this.memoryOf(resource!, bytes);
    if (blob === null) return Response.ERR_UNSPEC;
    const { mapInfo } = blob;
    const open = this.park(request, resource!.id);
    mappings.begin(resource!, offset, bytes, blob, (response) => this.answer(open, response, mapInfo));
    return PARKED;
  }

  unmapBlob(request: Request): number {
    const { model, mappings } = this.parts;
    const resource = model.resources.get(request.u32(OfResource.resourceId));
    const refusal = this.lifecycle.may(resource, this.event.unmap);
    if (refusal !== 0) return refusal;
    const open = this.park(request, 0);
    mappings.end(resource!, (response) => this.answer(open, response, 0));
    return PARKED;
  }

  /** Gives up: the ring is going away, and a driver that still waits gets an error. */
  abandon(): void {
    for (const open of this.open) {
      if (open.resource > 0) this.parts.mappings.cancel(open.resource);
      this.answer(open, Response.ERR_UNSPEC, 0);
    }
  }

  /** A descriptor of the blob's memory, of which there are at least `bytes`: beyond a file's end the guest would be killed. */
  private memoryOf(resource: Resource, bytes: number): ExportedBlob | null {
    const blob = this.parts.model.renderer.exportBlob(resource.id);
    if (blob === null) return null;
    if (blob.kind !== "opaque" && wholePages(lengthOf(blob.fd)) >= blob.offset + bytes) return blob;
    closeFd(blob.fd);
    if (blob.kind === "opaque") this.tellOpaque();
    else
      this.parts.context.log.guest(() => `blob ${resource.id} is longer than its memory: it is not mapped`);
    return null;
  }

  private tellOpaque(): void {
    if (this.hasToldOpaque) return;
    this.hasToldOpaque = true;
    this.parts.context.log.warning(
      "the renderer's driver gives its memory in a form of its own, which no guest can map: such blobs are not mapped",
    );
  }

  private park(request: Request, resource: number): Open {
    const parked = this.parts.queue.park();
    keepOrder(this.parts, parked, request);
    const open = { parked, resource };
    this.open.add(open);
    if (resource > 0) this.mapsOpen++;
    return open;
  }

  private answer(open: Open, response: number, mapInfo: number): void {
    if (!this.open.delete(open)) return;
    const { parked, resource } = open;
    if (resource > 0) this.mapsOpen--;
    const { queue, model } = this.parts;
    const isMapped = response === Response.OK_MAP_INFO;
    const body = isMapped ? Uint32Array.of(mapInfo, 0) : null;
    if (model.fences.release(parked, response, body && new Uint8Array(body.buffer))) return;
    if (body !== null) queue.request.responseWords.set(body, MapInfo.mapInfo / 4);
    queue.complete(parked, response, isMapped ? MapInfo.bytes : Header.bytes);
  }
}

/** Of whatever file that is; 0 of one that does not say. */
function lengthOf(fd: number): number {
  try {
    return sizeOfFd(fd);
  } catch (error) {
    if (!(error instanceof SystemError)) throw error;
    return 0;
  }
}
