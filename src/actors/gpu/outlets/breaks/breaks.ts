// Where somebody wants the queue to stop: a gate in the queue's way for as long as there is such a wish.

import type { QueueRunner } from "../../../queue/queue-runner.ts";
import type { ActorContext } from "../../../runtime/actor.ts";
import type { Break, CtrlQueueMessage } from "../../messages.ts";
import type { Model } from "../../model/model.ts";
import { BreakGate } from "./break-gate.ts";

export class Breaks {
  private gate: BreakGate | null = null;

  constructor(
    private readonly context: ActorContext,
    private readonly queue: QueueRunner,
    private readonly model: Model,
  ) {}

  /** Whether anybody wants it to stop anywhere. */
  get areWanted(): boolean {
    return this.gate !== null;
  }

  /** Takes what concerns it; returns false for any other message. */
  receive(message: CtrlQueueMessage): boolean {
    switch (message.type) {
      case "set-breaks":
        this.set(message.breaks);
        return true;
      case "step":
        this.gate?.step(message.count);
        return true;
      case "resume":
        this.gate?.resume();
        return true;
      default:
        return false;
    }
  }

  /** Whoever wanted it to stop is gone. */
  lost(): void {
    this.set([]);
  }

  idle(): void {
    this.gate?.idle();
  }

  /** Runs `end`, which ends a ring: how that answers its commands is nothing to stop at. */
  whileRingEnds(end: () => void): void {
    this.queue.gate = null;
    end();
    this.queue.gate = this.gate;
    this.gate?.ringStopped();
  }

  close(): void {
    this.gate?.close();
  }

  private set(breaks: readonly Break[]): void {
    if (breaks.length === 0 && this.gate === null) return;
    this.gate ??= new BreakGate(this.context, this.queue, this.model.fences, this.model.contexts);
    this.gate.set(breaks);
    if (breaks.length === 0) {
      this.gate.close();
      this.gate = null;
    }
    this.queue.gate = this.gate;
  }
}
