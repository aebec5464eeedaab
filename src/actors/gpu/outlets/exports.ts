// Resources and fences lent to other devices of the VM: descriptors for the resource bridge.
//
// Storage that was lent never becomes another resource's: a borrower may keep it for as long as it likes.

import type { CtrlQueueMessage } from "../messages.ts";
import type { ResourceBridgeMessage } from "../../bridge/messages.ts";
import type { ActorContext } from "../../runtime/actor.ts";
import type { Model } from "../model/model.ts";
import type { AfterCommands } from "./after-commands.ts";

type AskBuffer = Extract<CtrlQueueMessage, { type: "ask-buffer" }>;
type AskFence = Extract<CtrlQueueMessage, { type: "ask-fence" }>;
type Buffer = Omit<Extract<ResourceBridgeMessage, { type: "buffer" }>, "type" | "token">;

const noBuffer: Buffer = { fd: -1, stride: 0, offset: 0, modifierHigh: 0, modifierLow: 0 };

export class Exports {
  private readonly event: number;
  /** How many bridges have crashed. */
  private lost = 0;

  constructor(
    private readonly context: ActorContext,
    private readonly model: Model,
    private readonly queued: AfterCommands,
  ) {
    this.event = model.lifecycles.resource.event("EXPORT");
  }

  /** Answers once every command that already waits has been run: the resource's creation is often one of them. */
  lendResource({ token, resource }: AskBuffer): void {
    this.afterCommands(() => {
      const buffer = this.bufferOf(resource) ?? noBuffer;
      this.context.send("resource-bridge", { type: "buffer", token, ...buffer });
    });
  }

  /** As {@link lendResource}. */
  lendFence({ token, fenceHigh, fenceLow }: AskFence): void {
    this.afterCommands(() => {
      const { fences, renderer } = this.model;
      const fence = fences.numberOf(fenceHigh, fenceLow);
      const fd = fence === 0 ? -1 : renderer.exportFence(fence);
      this.context.send("resource-bridge", { type: "fence", token, fd });
    });
  }

  /** The bridge is gone, and its successor knows nothing of what it asked for. */
  bridgeLost(): void {
    this.lost++;
  }

  private afterCommands(work: () => void): void {
    const { lost } = this;
    this.queued.run(() => {
      if (lost === this.lost) work();
    });
  }

  private bufferOf(id: number | string): Buffer | null {
    const { resources, lifecycles } = this.model;
    const resource = typeof id === "string" ? resources.withUuid(id) : resources.get(id);
    if (resource === undefined || lifecycles.resource.may(resource, this.event) !== 0) return null;
    const buffer = resource.pixels.lend();
    if (buffer === null) this.context.log.guest(() => `resource ${id} cannot be lent`);
    else lifecycles.resource.take(resource, this.event);
    return buffer;
  }
}
