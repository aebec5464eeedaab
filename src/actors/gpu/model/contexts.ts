// The guest's 3D contexts by id, with what is attached to each.

import { Entity } from "../../machines/lifecycle.ts";
import type { Lifecycles } from "./lifecycles.ts";

/** One context's hold of a resource. */
class Attachment extends Entity {
  /** `id` is the resource's. */
  constructor(override readonly id: number) {
    super();
  }
}

/** One context. */
export class GpuContext extends Entity {
  /** By resource. */
  readonly attachments = new Map<number, Attachment>();

  constructor(
    override readonly id: number,
    /** As the guest calls it: mostly the process that draws. */
    readonly name: string,
    /** Whose commands it takes; 0 is the default's. */
    readonly capset: number,
  ) {
    super();
  }
}

export class ContextTable {
  private readonly byId = new Map<number, GpuContext>();
  private readonly event;
  /** Of all contexts. */
  private attachmentCount = 0;

  constructor(
    private readonly lifecycles: Lifecycles,
    private readonly countMax: number,
    private readonly attachmentsMax: number,
  ) {
    this.event = {
      create: lifecycles.context.event("CTX_CREATE"),
      destroy: lifecycles.context.event("CTX_DESTROY"),
      attach: lifecycles.attachment.event("CTX_ATTACH"),
      detach: lifecycles.attachment.event("CTX_DETACH"),
    };
  }

  get count(): number {
    return this.byId.size;
  }

  get hasRoom(): boolean {
    return this.byId.size < this.countMax;
  }

  get(id: number): GpuContext | undefined {
    return this.byId.get(id);
  }

  all(): IterableIterator<GpuContext> {
    return this.byId.values();
  }

  create(id: number, name: string, capset: number): void {
    const context = new GpuContext(id, name, capset);
    this.lifecycles.context.take(context, this.event.create);
    this.byId.set(id, context);
  }

  destroy(context: GpuContext): void {
    this.attachmentCount -= context.attachments.size;
    this.lifecycles.context.take(context, this.event.destroy);
    this.byId.delete(context.id);
  }

  /** Whether the resource may be attached: it is already, or there is room for one more. */
  hasRoomFor({ attachments }: GpuContext, resource: number): boolean {
    return this.attachmentCount < this.attachmentsMax || attachments.has(resource);
  }

  /** Attaching twice is no mistake. */
  attach({ attachments }: GpuContext, resource: number): void {
    let attachment = attachments.get(resource);
    if (attachment === undefined) {
      attachments.set(resource, (attachment = new Attachment(resource)));
      this.attachmentCount++;
    }
    this.lifecycles.attachment.take(attachment, this.event.attach);
  }

  /** Whether the resource may be detached: returns 0, or the virtio error. */
  mayDetach({ attachments }: GpuContext, resource: number): number {
    return this.lifecycles.attachment.may(attachments.get(resource), this.event.detach);
  }

  /** Ends what {@link mayDetach} allows. */
  detach({ attachments }: GpuContext, resource: number): void {
    this.lifecycles.attachment.take(attachments.get(resource)!, this.event.detach);
    attachments.delete(resource);
    this.attachmentCount--;
  }

  /** A resource is gone: no context has it any more. */
  forget(resource: number): void {
    if (this.byId.size === 0) return;
    for (const context of this.byId.values()) {
      if (context.attachments.has(resource)) this.detach(context, resource);
    }
  }
}
