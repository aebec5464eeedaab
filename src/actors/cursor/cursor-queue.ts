// The cursor queue: moves the cursor without waiting for anyone, and fetches new images from the ctrl queue.
// virtio 1.3 §5.7.6.10.

import { Cursor, Command, Response, scanoutsMax } from "../../transport/wire/virtio-gpu/protocol.ts";
import { asRefusal } from "../../transport/os/errors.ts";
import { gpuDevice } from "../gpu/device-type.ts";
import { slotsPerScanout } from "../gpu/manifest.ts";
import type { WorkerName } from "../registry.ts";
import type { CursorQueueMessage, CursorState } from "./messages.ts";
import { PARKED, type Parked, type QueueHandler } from "../queue/queue-handler.ts";
import { QueueRunner } from "../queue/queue-runner.ts";
import { RecordingSwitch } from "../queue/recording-switch.ts";
import { Entity, Lifecycle } from "../machines/lifecycle.ts";
import type { Actor, ActorContext } from "../runtime/actor.ts";
import type { AnswerTo } from "../runtime/asks.ts";
import { CursorOutbox } from "./cursor-outbox.ts";
import { CursorShelf } from "./cursor-shelf.ts";

/** Longer than every cursor command. */
const requestBytesMax = 4096;

/** Whether there is a scanout; what it shows is nothing to a cursor. */
class Scanout extends Entity {
  constructor(override readonly id: number) {
    super();
  }
}

interface Image {
  parked: Parked;
  scanout: number;
  slot: number;
  hotX: number;
  hotY: number;
  resource: number;
  /** Whether no later command has hidden the cursor. */
  isShown: boolean;
}

export class CursorQueue implements Actor<CursorQueueMessage>, QueueHandler {
  private readonly queue: QueueRunner;
  private readonly outbox: CursorOutbox;
  private readonly shelf: CursorShelf;
  private readonly recorder: RecordingSwitch;
  private readonly pool;
  private readonly images = new Map<number, Image>();
  private readonly slotTurn = new Uint8Array(scanoutsMax);
  /** Bit n: scanout n's cursor was hidden, and a MOVE_CURSOR has said since that it is seen. */
  private moved = 0;
  private readonly lifecycle;
  private readonly event;
  private readonly scanouts: Scanout[] = [];

  constructor(private readonly context: ActorContext) {
    this.queue = new QueueRunner(context, this, gpuDevice.commands, requestBytesMax);
    this.outbox = new CursorOutbox(context);
    const [shelf, pool] = [context.area("cursor-shelf", "write"), context.area("cursor-images", "write")];
    this.shelf = new CursorShelf(shelf, pool, this.queue.memory);
    this.pool = pool;
    this.recorder = new RecordingSwitch(context, this.queue, 1, gpuDevice.commands.headerBytes);
    this.lifecycle = new Lifecycle(context.machines.scanout, context.tap);
    this.event = {
      plug: this.lifecycle.event("PLUG"),
      unplug: this.lifecycle.event("UNPLUG"),
      update: this.lifecycle.event("UPDATE_CURSOR"),
      move: this.lifecycle.event("MOVE_CURSOR"),
    };
    for (let id = 0; id < scanoutsMax; id++) {
      this.scanouts.push(new Scanout(id));
      // Not where the image lies that a predecessor has left.
      this.slotTurn[id] = (this.outbox.slotOf(id) + 1) % slotsPerScanout;
    }
    this.plug(context.config.scanouts);
  }

  receive(message: CursorQueueMessage): void {
    if (this.queue.receive(message)) return;
    switch (message.type) {
      case "vmm-display-changed":
        this.plug(message.isConnected ? scanoutsMax : this.context.config.scanouts);
        this.context.send("vhost-session", { type: "done", token: message.token, error: "" });
        return;
      case "start-recording":
        this.startRecording();
        return;
      case "record-cursors":
        this.recordCursors();
        return;
      case "ask-cursor-states":
        this.context.send("ctrl-queue", {
          ...{ type: "cursor-states", token: message.token },
          cursors: this.outbox.states(),
        });
        return;
      case "take-cursors":
        for (const cursor of message.cursors) this.take(cursor);
        return;
      case "ask-recording-stop":
        this.recorder.stop();
        this.context.send("recorder", { type: "recording-stop", token: message.token });
        return;
    }
  }

  peerLost(peer: WorkerName): void {
    if (peer === "recorder") this.recorder.stop();
  }

  peerBack(peer: WorkerName): void {
    if (peer === "display") this.outbox.restore();
  }

  turn(): boolean {
    const more = this.queue.turn();
    this.recorder.look();
    this.outbox.tell();
    return more;
  }

  execute(): number {
    const { request } = this.queue;
    const { type } = request;
    if (type !== Command.UPDATE_CURSOR && type !== Command.MOVE_CURSOR) return Response.ERR_UNSPEC;
    if (request.length < Cursor.bytes) return Response.ERR_UNSPEC;
    const scanout = request.u32(Cursor.scanoutId);
    const event = type === Command.MOVE_CURSOR ? this.event.move : this.event.update;
    const refusal = this.lifecycle.may(this.scanouts[scanout], event);
    if (refusal !== 0) return refusal;
    // Positions are signed: a hot spot may hang over the left or the upper edge.
    const x = request.u32(Cursor.x) | 0;
    const y = request.u32(Cursor.y) | 0;
    const resource = request.u32(Cursor.resourceId);
    const isFull = this.images.size >= this.context.config.cursorImagesMax;
    if (type === Command.UPDATE_CURSOR && resource !== 0 && isFull) {
      this.context.log.beyond(
        "cursorImagesMax",
        this.context.config.cursorImagesMax,
        "a cursor's image is refused",
      );
      return Response.ERR_OUT_OF_MEMORY;
    }
    this.lifecycle.take(this.scanouts[scanout]!, event);
    if (resource === 0) {
      this.hide(scanout, x, y);
      return Response.OK_NODATA;
    }
    if (type === Command.MOVE_CURSOR) {
      this.outbox.move(scanout, x, y);
      if (this.outbox.isHidden(scanout)) this.reveal(scanout);
      return Response.OK_NODATA;
    }
    this.outbox.place(scanout, x, y);
    return this.changeImage(scanout, resource, request.u32(Cursor.hotX), request.u32(Cursor.hotY));
  }

  memoryChanging(): void {
    this.shelf.memoryChanging();
  }

  published(): void {
    this.outbox.tell();
  }

  reset(): void {
    this.forgetImages();
    this.moved = 0;
    this.queue.recording?.reset();
    this.outbox.clear();
  }

  finishParked(): void {
    for (const { parked } of this.images.values()) this.queue.refuse(parked, Response.ERR_UNSPEC);
    this.forgetImages();
  }

  stop(): void {
    this.queue.close();
    this.recorder.stop();
    this.outbox.close();
    this.shelf.close();
  }

  private take(cursor: CursorState): void {
    if (this.outbox.take(cursor)) this.slotTurn[cursor.scanout] = (cursor.slot + 1) % slotsPerScanout;
  }

  private startRecording(): void {
    try {
      this.recorder.start();
    } catch (error) {
      this.context.log.error(`the recording goes without the cursor: ${asRefusal(error).message}`);
    }
    this.recordCursors();
  }

  private recordCursors(): void {
    const { recording } = this.queue;
    if (recording !== null) this.outbox.record(recording.ring, this.pool.address);
  }

  private plug(count: number): void {
    this.scanouts.forEach((scanout, id) => {
      const event = id < count ? this.event.plug : this.event.unplug;
      if (this.lifecycle.can(scanout, event)) this.lifecycle.take(scanout, event);
    });
  }

  /** Takes a new image from where it lies ready, unless others are on their way, or asks for it. */
  private changeImage(scanout: number, resource: number, hotX: number, hotY: number): number {
    const turn = this.slotTurn[scanout]!;
    this.slotTurn[scanout] = (turn + 1) % slotsPerScanout;
    const slot = scanout * slotsPerScanout + turn;
    if (this.images.size === 0 && this.shelf.copy(resource, slot)) {
      this.outbox.load(scanout, slot, hotX, hotY, true);
      return Response.OK_NODATA;
    }
    this.fetchImage(scanout, resource, slot, hotX, hotY);
    return PARKED;
  }

  private fetchImage(scanout: number, resource: number, slot: number, hotX: number, hotY: number): void {
    const image = { parked: this.queue.park(), scanout, slot, hotX, hotY, resource, isShown: true };
    let token = 0;
    const question = { type: "ask-cursor-image", resource, slot } as const;
    const settle = (answer: AnswerTo<typeof question>): void => {
      this.images.delete(token);
      // A ctrl queue that is gone for good ends the device.
      if (answer === null) this.queue.refuse(image.parked, Response.ERR_UNSPEC);
      else this.imageArrived(image, answer.error, answer.isNew);
    };
    token = this.context.asks.ask("ctrl-queue", question, settle, { again: true });
    if (token > 0) this.images.set(token, image);
  }

  private forgetImages(): void {
    for (const token of this.images.keys()) this.context.asks.drop(token);
    this.images.clear();
  }

  private imageArrived(image: Image, error: number, isNew: boolean): void {
    const { scanout, slot, hotX, hotY, parked, isShown } = image;
    if (error !== 0) {
      this.context.log.guest(() => `no cursor image in resource ${image.resource}`);
      if (this.moved & (1 << scanout) && this.outbox.isHidden(scanout)) this.reveal(scanout);
      this.queue.refuse(parked, error);
      return;
    }
    this.outbox.load(scanout, isNew ? slot : -1, hotX, hotY, isShown || (this.moved & (1 << scanout)) !== 0);
    this.queue.succeed(parked);
  }

  /** An image that is still to come must not show the cursor again, but is what a later MOVE_CURSOR shows. */
  private hide(scanout: number, x: number, y: number): void {
    this.moved &= ~(1 << scanout);
    for (const image of this.images.values()) if (image.scanout === scanout) image.isShown = false;
    this.outbox.hide(scanout, x, y);
  }

  /** A move with a resource, whichever it is, shows the cursor that was hidden, as QEMU's device does. */
  private reveal(scanout: number): void {
    this.moved |= 1 << scanout;
    // Not the image before one that is on its way.
    for (const image of this.images.values()) if (image.scanout === scanout) return;
    this.outbox.reveal(scanout);
  }
}
