// Host blobs that the guest has mapped, in its window of host-visible memory. The session has them mapped by the front-end,
// and knows what lies where; this knows whose it is.

import { Response } from "../../../transport/wire/virtio-gpu/protocol.ts";
import type { ActorContext } from "../../runtime/actor.ts";
import { CtrlCounter } from "../counters.ts";
import type { CtrlQueueMessage } from "../messages.ts";
import type { Lifecycles } from "../model/lifecycles.ts";
import type { HostWindow } from "../model/model.ts";
import type { Resource } from "../model/resources.ts";
import type { ExportedBlob } from "../renderer/blob.ts";

/** What the guest is answered, by what became of it. */
const codes = {
  mapped: Response.OK_MAP_INFO,
  taken: Response.ERR_INVALID_PARAMETER,
  full: Response.ERR_OUT_OF_MEMORY,
  failed: Response.ERR_UNSPEC,
} as const;

/** One resource in the window, from the moment that the front-end is asked. */
interface Mapping {
  readonly name: number;
  readonly offset: number;
  readonly bytes: number;
  readonly resource: Resource;
  /** Whether it is the guest's no more. */
  isOver: boolean;
}

/** Told of the response's type. */
type Settle = (response: number) => void;

export class Mappings implements HostWindow {
  /** The window's size; 0 where the driver has none. */
  windowBytes = 0;
  private readonly byResource = new Map<number, Mapping>();
  private readonly event;
  private bytes = 0;
  private nextName: number;
  /** Whether the session has anything to forget. */
  private hasAsked: boolean;

  constructor(
    private readonly context: ActorContext,
    private readonly lifecycle: Lifecycles["resource"],
  ) {
    // No predecessor has given so many.
    this.nextName = context.life * 2 ** 32;
    // What one has asked may still be to be taken back.
    this.hasAsked = context.life > 1;
    this.count(0);
    this.event = { map: lifecycle.event("MAP_BLOB"), unmap: lifecycle.event("UNMAP_BLOB") };
  }

  /** Takes what the session tells of the window, and that only; others hear of a ring's start, too. */
  receive(message: CtrlQueueMessage): boolean {
    if (message.type === "start-ring") this.windowBytes = message.sharedMemoryBytes;
    if (message.type === "mappings-lost") this.lost();
    return message.type === "mappings-lost";
  }

  /** Has a blob mapped whose state allows it. `offset` and `bytes` are whole pages of the window; takes over the descriptor. */
  begin(resource: Resource, offset: number, bytes: number, blob: ExportedBlob, settle: Settle): void {
    const mapping: Mapping = { name: this.nextName++, offset, bytes, resource, isOver: false };
    this.lifecycle.take(resource, this.event.map);
    this.byResource.set(resource.id, mapping);
    this.count(bytes);
    this.hasAsked = true;
    const { name } = mapping;
    const question = {
      type: "ask-mapping",
      name,
      fd: blob.fd,
      fdOffset: blob.offset,
      offset,
      bytes,
    } as const;
    this.context.asks.ask("vhost-session", question, (answer) => {
      const isMapped = answer?.outcome === "mapped";
      // Whoever has ended it meanwhile has seen to the rest.
      if (!mapping.isOver && !isMapped) this.drop(mapping);
      settle(codes[answer?.outcome ?? "failed"]);
    });
  }

  /** Has a blob unmapped whose state allows it. */
  end(resource: Resource, settle: Settle): void {
    const { name, offset } = this.leave(resource.id)!;
    const question = { type: "ask-unmapping", name, offset } as const;
    this.context.asks.ask("vhost-session", question, (answer) =>
      settle(answer?.isDone === true ? Response.OK_NODATA : Response.ERR_UNSPEC),
    );
  }

  /** A resource that may be mapped is gone; the front-end still has its memory, until it is asked no more for it. */
  release(resource: number): void {
    const mapping = this.byResource.get(resource);
    if (mapping === undefined) return;
    this.remove(mapping);
    this.withdraw(mapping);
  }

  /** The command that mapped a resource is answered with an error, whatever becomes of it. */
  cancel(resource: number): void {
    const mapping = this.leave(resource);
    if (mapping !== null) this.withdraw(mapping);
  }

  /** The driver starts from nothing, and the front-end has unmapped everything. */
  forget(): void {
    for (const mapping of this.byResource.values()) this.remove(mapping);
    if (this.hasAsked) this.context.send("vhost-session", { type: "mappings-forgotten" });
    this.hasAsked = false;
  }

  /** The front-end maps nothing any more. */
  private lost(): void {
    for (const mapping of this.byResource.values()) this.drop(mapping);
  }

  /** Unmaps for nobody: it is done behind what was asked for it before. */
  private withdraw({ name, offset }: Mapping): void {
    this.context.send("vhost-session", { type: "ask-unmapping", token: 0, name, offset });
  }

  private leave(resource: number): Mapping | null {
    const mapping = this.byResource.get(resource);
    if (mapping === undefined) return null;
    this.drop(mapping);
    return mapping;
  }

  private drop(mapping: Mapping): void {
    this.remove(mapping);
    this.lifecycle.take(mapping.resource, this.event.unmap);
  }

  private remove(mapping: Mapping): void {
    mapping.isOver = true;
    this.byResource.delete(mapping.resource.id);
    this.count(-mapping.bytes);
  }

  private count(bytes: number): void {
    this.bytes += bytes;
    const { counters } = this.context;
    counters[CtrlCounter.mappings] = this.byResource.size;
    counters[CtrlCounter.mappedBytes] = this.bytes;
  }
}
