// The resource bridge: will lend resources to other devices of the VM. It has its place in start, stop and restart.

import type { ResourceBridgeMessage } from "../messages/resource-bridge.ts";
import type { Actor, ActorContext } from "../runtime/actor.ts";

export class ResourceBridge implements Actor<ResourceBridgeMessage> {
  constructor(private readonly context: ActorContext) {}

  receive(message: ResourceBridgeMessage): void {
    this.context.log.error(`unexpected message ${JSON.stringify(message)}`);
  }
}
