// The cursor queue: moves the cursor without waiting for anyone, and fetches new images from the ctrl queue.
// virtio 1.3 §5.7.6.10.

import { Cursor, Command, Response, scanoutsMax } from "../../transport/wire/virtio-gpu/protocol.ts";
import { slotsPerScanout } from "../queue/cursor-slots.ts";
import type { CursorQueueMessage } from "../messages/cursor-queue.ts";
import { PARKED, type Parked, type QueueHandler, QueueRunner } from "../queue/queue-runner.ts";
import type { Actor, ActorContext } from "../runtime/actor.ts";
import { CursorOutbox } from "./cursor-outbox.ts";

/** Longer than every cursor command. */
const requestBytesMax = 4096;
/** Images that may be on their way at once; a driver waits for each. */
const imagesMax = 64;

interface Image {
  parked: Parked;
  scanout: number;
  slot: number;
  hotX: number;
  hotY: number;
  resource: number;
}

export class CursorQueue implements Actor<CursorQueueMessage>, QueueHandler {
  private readonly queue: QueueRunner;
  private readonly outbox: CursorOutbox;
  private readonly images = new Map<number, Image>();
  private readonly slotTurn = new Uint8Array(scanoutsMax);
  private scanoutCount: number;

  constructor(private readonly context: ActorContext) {
    this.queue = new QueueRunner(context, this, requestBytesMax);
    this.outbox = new CursorOutbox(context);
    this.scanoutCount = context.config.outputs.length;
  }

  receive(message: CursorQueueMessage): void {
    if (this.queue.receive(message)) return;
    switch (message.type) {
      case "vmm-display":
        this.scanoutCount = message.isConnected ? scanoutsMax : this.context.config.outputs.length;
        this.context.send("vhost-session", { type: "done", token: message.token, error: "" });
        return;
      case "cursor-image":
        this.imageArrived(message.token, message.error);
        return;
      case "restore-display":
        this.outbox.restore();
        return;
    }
  }

  turn(): boolean {
    return this.queue.turn();
  }

  execute(): number {
    const { request } = this.queue;
    const { type } = request;
    if (type !== Command.UPDATE_CURSOR && type !== Command.MOVE_CURSOR) return Response.ERR_UNSPEC;
    if (request.length < Cursor.bytes) return Response.ERR_UNSPEC;
    const scanout = request.u32(Cursor.scanoutId);
    if (scanout >= this.scanoutCount) return Response.ERR_INVALID_SCANOUT_ID;
    // Positions are signed: a hot spot may hang over the left or the upper edge.
    const x = request.u32(Cursor.x) | 0;
    const y = request.u32(Cursor.y) | 0;
    if (type === Command.MOVE_CURSOR) {
      this.outbox.move(scanout, x, y);
      return Response.OK_NODATA;
    }
    const resource = request.u32(Cursor.resourceId);
    if (resource === 0) {
      this.forgetImages(scanout);
      this.outbox.hide(scanout, x, y);
      return Response.OK_NODATA;
    }
    if (this.images.size >= imagesMax) return Response.ERR_OUT_OF_MEMORY;
    this.outbox.place(scanout, x, y);
    this.fetchImage(scanout, resource, request.u32(Cursor.hotX), request.u32(Cursor.hotY));
    return PARKED;
  }

  idle(): void {
    this.outbox.send();
  }

  reset(): void {
    this.images.clear();
    this.outbox.clear();
  }

  finishParked(): void {
    for (const { parked } of this.images.values()) this.queue.refuse(parked, Response.ERR_UNSPEC);
    this.images.clear();
  }

  stop(): void {
    this.queue.close();
  }

  private fetchImage(scanout: number, resource: number, hotX: number, hotY: number): void {
    // Goes on where a predecessor was, whose answers are still under way.
    const token = ++this.context.keep[0]!;
    const turn = this.slotTurn[scanout]!;
    this.slotTurn[scanout] = (turn + 1) % slotsPerScanout;
    const slot = scanout * slotsPerScanout + turn;
    this.images.set(token, { parked: this.queue.park(), scanout, slot, hotX, hotY, resource });
    this.context.send("ctrl-queue", { type: "cursor-image", token, resource, slot });
  }

  private imageArrived(token: number, error: number): void {
    const image = this.images.get(token);
    if (image === undefined) return;
    this.images.delete(token);
    if (error !== 0) {
      this.context.log.guest(() => `no cursor image in resource ${image.resource}`);
      this.queue.refuse(image.parked, error);
      return;
    }
    this.outbox.show(image.scanout, image.slot, image.hotX, image.hotY);
    this.queue.succeed(image.parked);
  }

  /** An image that arrives after the cursor was hidden must not show it again. */
  private forgetImages(scanout: number): void {
    for (const [token, image] of this.images) {
      if (image.scanout !== scanout) continue;
      this.images.delete(token);
      this.queue.succeed(image.parked);
    }
  }
}
