// The ctrl queue: the guest's commands in order, and the only thread that owns resources.

import type { CtrlQueueMessage } from "../messages/ctrl-queue.ts";
import { QueueRunner, type QueueHandler } from "../queue/queue-runner.ts";
import type { Actor, ActorContext } from "../runtime/actor.ts";
import type { Command } from "./commands-2d.ts";
import { CtrlCounter } from "./counters.ts";
import { CursorImages } from "./cursor-images.ts";
import { Device } from "./device.ts";
import { dispatcher } from "./dispatch.ts";

export class CtrlQueue implements Actor<CtrlQueueMessage>, QueueHandler {
  private readonly queue: QueueRunner;
  private readonly device: Device;
  private readonly cursorImages: CursorImages;
  private readonly dispatch: Command;

  constructor(private readonly context: ActorContext) {
    this.queue = new QueueRunner(context, this, context.config.commandBytesMax);
    this.device = new Device(context, this.queue);
    this.cursorImages = new CursorImages(this.device);
    this.dispatch = dispatcher(this.device);
  }

  receive(message: CtrlQueueMessage): void {
    if (this.queue.receive(message)) return;
    const { questions, outbox, resources } = this.device;
    switch (message.type) {
      case "display-info":
        questions.answerDisplayInfo(message.token, message.modes);
        return;
      case "edid":
        questions.answerEdid(message.token, message.edid);
        return;
      case "surface-released":
        outbox.surfaceReleased(message.surface);
        return;
      case "restore-display":
        this.cursorImages.announce();
        outbox.restore(resources.all());
        questions.askAgain();
        return;
      case "cursor-image":
        this.cursorImages.request(message.token, message.resource, message.slot);
        return;
    }
  }

  turn(): boolean {
    const more = this.queue.turn();
    this.cursorImages.serve();
    return more;
  }

  execute(): number {
    return this.dispatch(this.queue.request);
  }

  idle(): void {
    this.cursorImages.serve();
    this.device.outbox.send();
    this.count();
  }

  reset(): void {
    this.device.reset();
    this.count();
  }

  finishParked(): void {
    this.device.questions.abandon();
    this.cursorImages.finish();
  }

  stop(): void {
    this.queue.close();
  }

  private count(): void {
    const { counters } = this.context;
    counters[CtrlCounter.resources] = this.device.resources.count;
    counters[CtrlCounter.storageBytes] = this.device.resources.bytesUsed;
  }
}
