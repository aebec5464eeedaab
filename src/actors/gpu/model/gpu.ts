// The 3D side of the device: the renderer, and what the guest has made in it.

import type { ServerConfig } from "../../../config.ts";
import type { CompiledMachine } from "../../machines/table.ts";
import type { QueueRunner } from "../../queue/queue-runner.ts";
import { ContextTable } from "./contexts.ts";
import { Fences } from "./fences.ts";
import { RenderedResources } from "../pixels/rendered-resources.ts";
import type { Renderer } from "../renderer/renderer.ts";
import type { Resource } from "./resources.ts";

export class Gpu {
  readonly resources: RenderedResources;
  readonly contexts: ContextTable;
  readonly fences: Fences;

  constructor(
    readonly renderer: Renderer,
    queue: QueueRunner,
    config: ServerConfig,
    fenceMachine: CompiledMachine,
  ) {
    this.resources = new RenderedResources(renderer);
    this.contexts = new ContextTable(config.contextsMax);
    this.fences = new Fences(queue, fenceMachine, renderer);
  }

  /** Frees what the renderer has of a resource that is going away. */
  unref(resource: Resource): void {
    this.contexts.forget(resource.id);
    this.resources.unref(resource);
  }

  destroyContext(id: number): void {
    this.renderer.destroyContext(id);
    this.contexts.remove(id);
    this.fences.contextDestroyed(id);
  }
}
