// 3D contexts: making them, what is attached to them, and their command streams (virtio 1.3 §5.7.6.9). Each returns its
// response's type, and changes nothing when it refuses.

import { EINVAL, ENOMEM } from "../../../ffi/libc.ts";
import {
  Capset,
  CtxCreate,
  CtxResource,
  Feature,
  Header,
  Response,
  Submit3d,
} from "../../../transport/wire/virtio-gpu/protocol.ts";
import type { Request } from "../../queue/request.ts";
import type { GpuContext } from "../model/contexts.ts";
import { BlobPixels } from "../pixels/blobs/blob-pixels.ts";
import { beyond, beyondRenderer } from "./beyond.ts";
import { codeOfErrno } from "./errno.ts";
import type { Parts } from "./parts.ts";

/** The low byte of `context_init` is the capset that the context is for. */
const capsetMask = 0xff;

export class ContextCommands {
  private readonly contexts;
  private readonly resources;
  private readonly event;
  private readonly inCpu: Uint8Array;

  constructor(private readonly parts: Parts) {
    const { context, resource } = parts.model.lifecycles;
    this.contexts = context;
    this.resources = resource;
    this.inCpu = resource.statesWith("cpu2d");
    this.event = {
      create: context.event("CTX_CREATE"),
      destroy: context.event("CTX_DESTROY"),
      attach: context.event("CTX_ATTACH"),
      detach: context.event("CTX_DETACH"),
      submit: context.event("SUBMIT_3D"),
      fault: context.event("FAULT"),
      attachResource: resource.event("CTX_ATTACH"),
      detachResource: resource.event("CTX_DETACH"),
    };
  }

  create(request: Request): number {
    const { contexts, renderer } = this.parts.model;
    const id = request.u32(Header.contextId);
    // Context 0 is the device's own.
    if (id === 0) return Response.ERR_INVALID_CONTEXT_ID;
    const refusal = this.contexts.may(contexts.get(id), this.event.create);
    if (refusal !== 0) return refusal;
    const hasInit = this.parts.model.has(Feature.CONTEXT_INIT);
    const capset = hasInit ? request.u32(CtxCreate.contextInit) & capsetMask : 0;
    if (capset !== 0 && !renderer.capsets.some((one) => one.id === capset)) {
      return Response.ERR_INVALID_PARAMETER;
    }
    const length = Math.min(request.u32(CtxCreate.nameLength), CtxCreate.nameBytesMax);
    const name = request.text(CtxCreate.name, length);
    if (!contexts.hasRoom) return beyond(this.parts, "contextsMax", "it is not made", { id, name });
    if (this.parts.journal.isDeadly(name)) return this.refuse(name);
    if (renderer.createContext(id, capset, CtxCreate.name, length) !== 0)
      return beyondRenderer(this.parts, "it is not made", { id, name });
    contexts.create(id, name, capset);
    return Response.OK_NODATA;
  }

  /** Has a context that the renderer of a predecessor had: it takes no work, and may be destroyed. Returns false where none may be. */
  restoreLost(id: number, name: string, contextInit: number): boolean {
    const { contexts } = this.parts.model;
    if (id === 0 || !contexts.hasRoom) return false;
    contexts.create(id, name, contextInit & capsetMask);
    this.contexts.take(contexts.get(id)!, this.event.fault);
    return true;
  }

  destroy(request: Request): number {
    const context = this.named(request);
    const refusal = this.contexts.may(context, this.event.destroy);
    if (refusal !== 0) return refusal;
    this.parts.model.destroyContext(context!);
    return Response.OK_NODATA;
  }

  attach(request: Request): number {
    const { model } = this.parts;
    const context = this.named(request);
    const refusal = this.contexts.may(context, this.event.attach);
    if (refusal !== 0) return refusal;
    const resource = model.resources.get(request.u32(CtxResource.resourceId));
    const refused = this.resources.may(resource, this.event.attachResource);
    if (refused !== 0) return refused;
    if (!model.contexts.hasRoomFor(context!, resource!.id))
      return beyond(this.parts, "attachmentsMax", "it gets no more resources", context!);
    const isInCpu = this.resources.isIn(resource!, this.inCpu);
    if (isInCpu && !model.promote(resource!))
      return beyondRenderer(this.parts, "it does not get a resource", context!);
    const { pixels } = resource!;
    const error = pixels instanceof BlobPixels ? pixels.enterRenderer() : 0;
    if (error !== 0) return codeOfErrno(error);
    this.contexts.take(context!, this.event.attach);
    this.resources.take(resource!, this.event.attachResource);
    model.renderer.attachResource(context!.id, resource!.id);
    model.contexts.attach(context!, resource!.id);
    return Response.OK_NODATA;
  }

  detach(request: Request): number {
    const { model } = this.parts;
    const context = this.named(request);
    const refusal = this.contexts.may(context, this.event.detach);
    if (refusal !== 0) return refusal;
    const resource = model.resources.get(request.u32(CtxResource.resourceId));
    const refused = this.resources.may(resource, this.event.detachResource);
    if (refused !== 0) return refused;
    const apart = model.contexts.mayDetach(context!, resource!.id);
    if (apart !== 0) return apart;
    this.contexts.take(context!, this.event.detach);
    this.resources.take(resource!, this.event.detachResource);
    model.renderer.detachResource(context!.id, resource!.id);
    model.contexts.detach(context!, resource!.id);
    return Response.OK_NODATA;
  }

  submit(request: Request): number {
    const { model, queue, reads } = this.parts;
    const context = this.named(request);
    const refusal = this.contexts.may(context, this.event.submit);
    if (refusal !== 0) return refusal;
    const size = request.u32(Submit3d.size);
    if ((size & 3) !== 0 || Submit3d.bytes + size > request.length) return Response.ERR_INVALID_PARAMETER;
    const { recording } = queue;
    // Of venus's streams only venus knows what they read.
    if (recording !== null && context!.capset !== Capset.VENUS)
      reads.stream(recording, request.words, Submit3d.bytes >>> 2, size >>> 2);
    const error = size === 0 ? 0 : model.renderer.submit(context!.id, Submit3d.bytes, size);
    if (error === 0) {
      this.contexts.take(context!, this.event.submit);
      return Response.OK_NODATA;
    }
    if (error === ENOMEM) return beyondRenderer(this.parts, "its stream is not run", context!);
    // The stream made no sense: what comes after it would make less.
    if (error === EINVAL) this.lose(context!, "the renderer refused its command stream");
    return codeOfErrno(error);
  }

  /** What ran it has ended by itself. */
  ended(id: number, reason: string): void {
    const { contexts, fences } = this.parts.model;
    const context = contexts.get(id);
    if (context === undefined) return;
    this.lose(context, reason);
    fences.contextLost(id);
  }

  private refuse(name: string): number {
    this.parts.context.log.guest(
      () =>
        `no more contexts are made for "${name}": in others of that name the renderer has died again and again`,
    );
    return Response.ERR_UNSPEC;
  }

  private lose(context: GpuContext, reason: string): void {
    const isNews = this.contexts.nameOf(context) !== "lost";
    this.contexts.take(context, this.event.fault);
    const { id, name } = context;
    const called = name === "" ? "" : ` (${name})`;
    if (isNews) this.parts.context.log.guest(() => `context ${id}${called} is lost: ${reason}`);
  }

  private named(request: Request): GpuContext | undefined {
    return this.parts.model.contexts.get(request.u32(Header.contextId));
  }
}
