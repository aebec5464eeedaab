// Making blobs (virtio 1.3 §5.7.6.8). Returns its response's type, and changes nothing when it refuses.

import {
  BlobFlag,
  BlobMem,
  CreateBlob,
  Header,
  MemoryEntry,
  Response,
} from "../../../transport/wire/virtio-gpu/protocol.ts";
import type { Request } from "../../queue/request.ts";
import { Backing } from "../renderer/backing.ts";
import type { BlobShape } from "../renderer/blob.ts";
import { beyond } from "./beyond.ts";
import { codeOfErrno } from "./errno.ts";
import type { Parts } from "./parts.ts";

const flagsKnown = BlobFlag.MAPPABLE | BlobFlag.SHAREABLE | BlobFlag.CROSS_DEVICE;

export class BlobCommands {
  private readonly resources;
  private readonly contexts;
  private readonly event;
  /** The event of each kind, by its number in BlobMem. */
  private readonly create;

  constructor(private readonly parts: Parts) {
    const { resource, context } = parts.model.lifecycles;
    this.resources = resource;
    this.contexts = context;
    this.event = context.event("CREATE_BLOB");
    this.create = [
      resource.event("CREATE_BLOB_GUEST"),
      resource.event("CREATE_BLOB_GUEST"),
      resource.event("CREATE_BLOB_HOST"),
      resource.event("CREATE_BLOB_SHARED"),
    ];
  }

  createBlob(request: Request): number {
    return this.make(request, false);
  }

  /** Has a host blob whose memory was in the renderer of a predecessor: there is nothing to see in it, nor to map. */
  restoreLost(request: Request): number {
    return this.make(request, true);
  }

  private make(request: Request, isLost: boolean): number {
    const { model } = this.parts;
    const id = request.u32(CreateBlob.resourceId);
    const mem = request.u32(CreateBlob.blobMem);
    const event = this.create[mem];
    if (id === 0) return Response.ERR_INVALID_RESOURCE_ID;
    // Which kind it is to be makes no difference to an id that is in use.
    const refusal = this.resources.may(model.resources.get(id), event ?? this.create[0]!);
    if (refusal !== 0) return refusal;
    const flags = request.u32(CreateBlob.blobFlags);
    const size = request.u64(CreateBlob.size);
    if (mem === 0 || event === undefined || (flags & ~flagsKnown) !== 0)
      return Response.ERR_INVALID_PARAMETER;
    // Above 2^53 no size is exact, and none is anywhere near what there is.
    if (size === 0 || size > Number.MAX_SAFE_INTEGER) return Response.ERR_INVALID_PARAMETER;
    const isHost = mem !== BlobMem.GUEST;
    const isRenderers = isHost && !isLost;
    const contextId = request.u32(Header.contextId);
    const refused = isRenderers ? this.contexts.may(model.contexts.get(contextId), this.event) : 0;
    if (refused !== 0) return refused;
    const lack = model.resources.lackFor(isHost ? size : 0);
    if (lack !== null) return beyond(this.parts, lack, "a blob is not made");
    const backing = this.pagesOf(request, mem, size);
    if (typeof backing === "number") return backing;
    const shape: BlobShape = {
      ...{ mem, flags, size },
      idLow: request.u32(CreateBlob.blobId),
      idHigh: request.u32(CreateBlob.blobId + 4),
    };
    const error = isRenderers ? model.renderer.createBlob(id, contextId, shape, backing) : 0;
    if (error !== 0) {
      backing?.free();
      return codeOfErrno(error);
    }
    this.resources.take(model.resources.addBlob(id, shape, backing), event);
    if (isRenderers) this.contexts.take(model.contexts.get(contextId)!, this.event);
    return Response.OK_NODATA;
  }

  /** The guest's pages, null where the kind has none; or the error that they earn. */
  private pagesOf(request: Request, mem: number, size: number): Backing | null | number {
    const { context, queue, model } = this.parts;
    const count = request.u32(CreateBlob.entryCount);
    if (mem === BlobMem.HOST3D) return count === 0 ? null : Response.ERR_INVALID_PARAMETER;
    if (count > context.config.backingEntriesMax)
      return beyond(this.parts, "backingEntriesMax", "a blob is not made");
    if (request.length < CreateBlob.bytes + count * MemoryEntry.bytes) return Response.ERR_INVALID_PARAMETER;
    const backing = Backing.read(queue.memory, request.words, CreateBlob.bytes, count);
    if (backing === null) return Response.ERR_INVALID_PARAMETER;
    // What is shown of it must be the guest's (QEMU's work item 4112).
    const isWhole = backing.length >= size;
    if (isWhole && model.resources.hasRoomFor(backing)) return backing;
    backing.free();
    return isWhole
      ? beyond(this.parts, "backingPiecesMax", "a blob is not made")
      : Response.ERR_INVALID_PARAMETER;
  }
}
