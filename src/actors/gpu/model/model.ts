// All that the guest has made, and what it is made in.

import { ENOMEM } from "../../../ffi/libc.ts";
import type { ServerConfig } from "../../../config.ts";
import type { QueueRunner } from "../../queue/queue-runner.ts";
import type { RenderedResources } from "../pixels/rendered-resources.ts";
import type { Storages } from "../pixels/storage/storages.ts";
import { type Backing, fullBackingsMax } from "../renderer/backing.ts";
import type { Renderer } from "../renderer/renderer.ts";
import { ContextTable, type GpuContext } from "./contexts.ts";
import { Fences } from "./fences.ts";
import type { Lifecycles } from "./lifecycles.ts";
import { type Resource, ResourceTable } from "./resources.ts";
import { Scanouts } from "./scanouts.ts";

/** What has to hear of pictures that go. */
export interface Screen {
  /** A scanout shows nothing any more. */
  hide(scanout: number): void;
  /** The resource is about to be freed: takes over the storage that others may still be reading. */
  release(resource: Resource): void;
}

export class Model {
  readonly resources: ResourceTable;
  readonly contexts: ContextTable;
  readonly scanouts: Scanouts;
  readonly fences: Fences;
  private readonly unrefEvent: number;

  constructor(
    config: ServerConfig,
    readonly lifecycles: Lifecycles,
    private readonly queue: QueueRunner,
    readonly renderer: Renderer,
    readonly rendered: RenderedResources,
    private readonly storages: Storages,
    private readonly screen: Screen,
  ) {
    const runsMax = fullBackingsMax * config.backingEntriesMax;
    this.resources = new ResourceTable(storages, config.resourcesMax, runsMax);
    this.contexts = new ContextTable(lifecycles, config.contextsMax);
    this.scanouts = new Scanouts(lifecycles, (scanout) => screen.hide(scanout));
    this.fences = new Fences(queue, lifecycles.fence, renderer);
    this.unrefEvent = lifecycles.resource.event("UNREF");
    this.scanouts.plug(config.outputs.length);
  }

  /** Whether the driver has negotiated a feature that the renderer stands behind. */
  has(feature: number): boolean {
    return (this.queue.features & this.renderer.features & (1 << feature)) !== 0;
  }

  /** Moves a 2D resource into the renderer. Returns false, with nothing changed, when that does not take it. */
  promote(resource: Resource): boolean {
    const { bytes, reserved } = resource;
    // Storage that the display shows stays beside what the renderer makes; other storage makes room for it.
    if (resource.isWithDisplay && !this.resources.reserve(resource, bytes)) return false;
    if (!this.rendered.promote(resource)) {
      this.resources.reserve(resource, reserved);
      return false;
    }
    this.resources.reserve(resource, bytes);
    this.scanouts.follow(resource);
    return true;
  }

  /** Gives a resource its backing. Returns false, with nothing done, beyond the limits. */
  attachBacking(resource: Resource, backing: Backing): boolean {
    if (!this.resources.setBacking(resource, backing)) return false;
    if (!resource.isRendered || this.rendered.attachBacking(resource) !== ENOMEM) return true;
    this.resources.setBacking(resource, null);
    return false;
  }

  detachBacking(resource: Resource): void {
    if (resource.isRendered) this.rendered.detachBacking(resource);
    this.resources.setBacking(resource, null);
  }

  /** Frees a resource, which the display may go on reading until it gives the storage back. */
  unref(resource: Resource): void {
    this.lifecycles.resource.take(resource, this.unrefEvent);
    this.scanouts.release(resource);
    this.screen.release(resource);
    if (resource.isRendered) {
      this.contexts.forget(resource.id);
      this.rendered.unref(resource);
    }
    this.resources.remove(resource);
  }

  destroyContext(context: GpuContext): void {
    this.renderer.destroyContext(context.id);
    this.contexts.destroy(context);
    this.fences.contextDestroyed(context.id);
  }

  /** Forgets everything that the driver made. */
  reset(): void {
    for (const context of this.contexts.all()) this.destroyContext(context);
    for (const resource of this.resources.all()) this.unref(resource);
    this.storages.forget();
    this.scanouts.disableAll();
  }
}
