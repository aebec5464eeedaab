// All that the guest has made, and what it is made in.

import type { ServerConfig } from "../../../config.ts";
import type { QueueRunner } from "../../queue/queue-runner.ts";
import { BlobMem } from "../../../transport/wire/virtio-gpu/protocol.ts";
import { BlobPixels } from "../pixels/blobs/blob-pixels.ts";
import type { BlobView } from "../pixels/blobs/blob-view.ts";
import type { BlobLayout } from "../pixels/blobs/layout.ts";
import type { Showable } from "../pixels/pixels.ts";
import type { PixelSource } from "../pixels/source.ts";
import type { Storage } from "../pixels/storage/storage.ts";
import type { Renderer } from "../renderer/renderer.ts";
import { baseFeatures } from "../device-type.ts";
import { ContextTable, type GpuContext } from "./contexts.ts";
import { Fences } from "./fences.ts";
import type { Lifecycles } from "./lifecycles.ts";
import { type Resource, ResourceTable } from "./resources.ts";
import { Scanouts } from "./scanouts.ts";

/** What has to hear of blobs that go while the guest has them mapped. */
export interface HostWindow {
  release(resource: number): void;
}

/** What has to hear of pictures that go. */
export interface Screen {
  /** A scanout shows nothing any more. */
  hide(scanout: number): void;
  /** A resource is gone: takes over the memory that a display, to which it is `surface`, may still be reading. */
  release(surface: number, memory: Storage | null): void;
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
    private readonly source: PixelSource,
    private readonly screen: Screen,
    private readonly window: HostWindow,
  ) {
    this.resources = new ResourceTable(source, config.resourcesMax, config.backingPiecesMax);
    this.contexts = new ContextTable(lifecycles, config.contextsMax, config.attachmentsMax);
    this.scanouts = new Scanouts(lifecycles, this.resources, (scanout) => screen.hide(scanout));
    this.fences = new Fences(queue, lifecycles.fence, renderer, 0, lifecycles.tap);
    this.unrefEvent = lifecycles.resource.event("UNREF");
    this.scanouts.plug(config.scanouts);
  }

  /** Whether the driver has negotiated a feature that the device or its renderer stands behind. */
  has(feature: number): boolean {
    return (this.queue.features & (baseFeatures | this.renderer.features) & (1 << feature)) !== 0;
  }

  /** Moves a 2D resource into the renderer. Returns false, with nothing changed, when that does not take it. */
  promote(resource: Resource): boolean {
    if (!this.resources.promote(resource)) return false;
    this.scanouts.follow(resource);
    return true;
  }

  /** Frees a resource, which the display may go on reading until it gives the storage back. */
  unref(resource: Resource): void {
    const { lifecycles, scanouts, contexts, screen, resources } = this;
    lifecycles.resource.take(resource, this.unrefEvent);
    this.window.release(resource.id);
    scanouts.release(resource);
    contexts.forget(resource.id);
    const blob = blobOf(resource);
    if (blob !== null) this.dropViews(blob);
    const { surface } = resource.pixels;
    screen.release(surface, resource.pixels.close());
    resources.remove(resource);
  }

  /** Takes a resource's backing away. Of a blob that is nothing else nothing is shown any more. */
  detachBacking(resource: Resource): void {
    const blob = blobOf(resource);
    if (blob?.shape.mem === BlobMem.GUEST) {
      this.scanouts.release(resource);
      this.dropViews(blob);
    }
    this.resources.detachBacking(resource);
  }

  /** A blob as `layout` reads it. Of those before it only such stay that are shown. */
  viewOf(blob: BlobPixels, layout: BlobLayout): BlobView {
    const known = blob.viewAs(layout);
    if (known !== undefined) return known;
    this.dropViews(blob);
    return blob.addView(layout);
  }

  /** All that a scanout may show. */
  *pictures(): Generator<Showable> {
    for (const resource of this.resources.all()) {
      const blob = blobOf(resource);
      if (blob === null) yield resource;
      else yield* blob.views;
    }
  }

  private dropViews(blob: BlobPixels): void {
    for (let at = blob.views.length - 1; at >= 0; at--) {
      const view = blob.views[at]!;
      if (view.scanouts !== 0) continue;
      const { surface } = view.pixels;
      this.screen.release(surface, blob.removeView(view));
    }
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
    this.source.storages.forget();
    this.scanouts.disableAll();
  }
}

const blobOf = ({ pixels }: Resource): BlobPixels | null => (pixels instanceof BlobPixels ? pixels : null);
