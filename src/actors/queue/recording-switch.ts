// Begins and ends what a queue tells the recorder.

import type { ActorContext } from "../runtime/actor.ts";
import type { QueueRunner } from "./queue-runner.ts";
import { QueueRecording } from "./recording.ts";

export class RecordingSwitch {
  constructor(
    private readonly context: ActorContext,
    private readonly queue: QueueRunner,
    /** 0 ctrl, 1 cursor. */
    private readonly number: 0 | 1,
    private readonly headerBytes: number,
  ) {}

  /** Throws a {@link SystemError} where the host has no room for the ring. */
  start(): QueueRecording {
    this.stop();
    const { context, queue, number, headerBytes } = this;
    return (queue.recording = new QueueRecording(context, number, queue.request, headerBytes));
  }

  /** The recorder wants no more: it finds all that there was in the ring. */
  stop(): void {
    this.queue.recording?.close();
    this.queue.recording = null;
  }

  /** Called once a turn: a recording that was given up costs nothing any more. */
  look(): void {
    if (this.queue.recording?.ring.isOver === true) this.stop();
  }
}
