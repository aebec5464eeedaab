// Resources and fences lent to other devices of the VM: descriptors for the resource bridge.
//
// Storage that was lent never becomes another resource's: a borrower may keep it for as long as it likes.

import type { CtrlQueueMessage } from "../messages.ts";
import type { ResourceBridgeMessage } from "../../bridge/messages.ts";
import type { ActorContext } from "../../runtime/actor.ts";
import type { Model } from "../model/model.ts";
import type { AfterCommands } from "./after-commands.ts";

type LendResource = Extract<CtrlQueueMessage, { type: "lend-resource" }>;
type LendFence = Extract<CtrlQueueMessage, { type: "lend-fence" }>;
type Lent = Extract<ResourceBridgeMessage, { fd: number }>;
type Buffer = Omit<Extract<Lent, { type: "lent-buffer" }>, "type" | "token">;

export class Exports {
  private readonly event: number;
  /** The last bridge that asked, and the last that crashed. */
  private bridge = 0;
  private lost = 0;

  constructor(
    private readonly context: ActorContext,
    private readonly model: Model,
    private readonly queued: AfterCommands,
  ) {
    this.event = model.lifecycles.resource.event("EXPORT");
  }

  /** Answers once every command that already waits has been run: the resource's creation is often one of them. */
  lendResource({ token, bridge, resource }: LendResource): void {
    this.afterCommands(bridge, () => {
      const buffer = this.bufferOf(resource);
      if (buffer === null) this.refuse(token);
      else this.lend({ type: "lent-buffer", token, ...buffer });
    });
  }

  /** As {@link lendResource}. */
  lendFence({ token, bridge, fenceHigh, fenceLow }: LendFence): void {
    this.afterCommands(bridge, () => {
      const { fences, renderer } = this.model;
      const fence = fences.numberOf(fenceHigh, fenceLow);
      const fd = fence === 0 ? -1 : renderer.exportFence(fence);
      if (fd < 0) this.refuse(token);
      else this.lend({ type: "lent-fence", token, fd });
    });
  }

  /** The bridge is gone, and its successor knows nothing of what it asked for. */
  bridgeLost(): void {
    this.lost = this.bridge;
  }

  private afterCommands(bridge: number, work: () => void): void {
    this.bridge = bridge;
    this.queued.run(() => {
      if (bridge > this.lost) work();
    });
  }

  private lend(message: Lent): void {
    this.context.send("resource-bridge", message);
  }

  private refuse(token: number): void {
    this.context.send("resource-bridge", { type: "not-lent", token });
  }

  private bufferOf(id: number): Buffer | null {
    const { resources, lifecycles } = this.model;
    const resource = resources.get(id);
    if (resource === undefined || lifecycles.resource.may(resource, this.event) !== 0) return null;
    const buffer = resource.pixels.lend();
    if (buffer === null) this.context.log.guest(() => `resource ${id} cannot be lent`);
    else lifecycles.resource.take(resource, this.event);
    return buffer;
  }
}
