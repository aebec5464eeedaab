// The ctrl queue's part of a recording: its beginning, its keyframes and its end.

import { RingKind } from "../../../recorder/manifest.ts";
import type { QueueRecording } from "../../../queue/recording.ts";
import type { QueueRunner } from "../../../queue/queue-runner.ts";
import { RecordingSwitch } from "../../../queue/recording-switch.ts";
import { asRefusal } from "../../../../transport/os/errors.ts";
import type { ActorContext } from "../../../runtime/actor.ts";
import { baseFeatures, gpuDevice } from "../../device-type.ts";
import type { CtrlQueueMessage } from "../../messages.ts";
import type { Model } from "../../model/model.ts";
import type { Tier } from "../../pixels/storage/tier.ts";
import type { DisplayOutbox } from "../display-outbox.ts";
import { hasRendered, keyframeBytes, writeKeyframe } from "./keyframe.ts";

/** How long the queue may wait while the state is written with which a recording begins. */
const firstKeyframeMs = 2_000;

export class Recordings {
  private readonly recorder: RecordingSwitch;
  /** Where the ring was when the last keyframe was written, or left out. */
  private keyframeAt = 0;

  constructor(
    private readonly context: ActorContext,
    private readonly queue: QueueRunner,
    private readonly model: Model,
    private readonly outbox: DisplayOutbox,
    private readonly tier: Tier,
  ) {
    this.recorder = new RecordingSwitch(context, queue, 0, gpuDevice.commands.headerBytes);
  }

  /** Whether what runs is being recorded. */
  get areOn(): boolean {
    return this.queue.recording !== null;
  }

  /** Takes what concerns it; returns false for any other message. */
  receive(message: CtrlQueueMessage): boolean {
    switch (message.type) {
      case "ask-recording-start":
        this.start(message.token, message.checksums);
        return true;
      case "ask-recording-stop":
        this.recorder.stop();
        this.context.send("recorder", { type: "recording-stop", token: message.token });
        return true;
      default:
        return false;
    }
  }

  /** Called once a turn. */
  turn(): void {
    const { recording } = this.queue;
    if (recording === null) return;
    this.recorder.look();
    const { recordKeyframeBytes } = this.context.config;
    if (recordKeyframeBytes === 0 || recording.ring.isOver) return;
    if ((recording.ring.written - this.keyframeAt) >>> 0 < recordKeyframeBytes) return;
    this.keyframeAt = recording.ring.written;
    // A replay could not begin there.
    if (hasRendered(this.model)) return;
    if (keyframeBytes(this.model) > recording.ring.room()) recording.plain(RingKind.keyframeLeftOut);
    else this.writeKeyframe(recording);
  }

  memoryChanged(): void {
    this.queue.recording?.memory(this.queue.memory);
  }

  /** Does what is no command's, and is told by {@link restored}. */
  silent<Result>(work: () => Result): Result {
    const { recording } = this.queue;
    this.queue.recording = null;
    const result = work();
    this.queue.recording = recording;
    return result;
  }

  /** The device has a state that no command has made: whoever reads the recording begins anew with that, after the reset before. */
  restored(): void {
    const { recording } = this.queue;
    if (recording !== null) this.writeWhole(recording);
  }

  /** Nobody records any more. */
  close(): void {
    this.recorder.stop();
  }

  private start(token: number, checksums: boolean): void {
    const { context, queue, model, tier } = this;
    const { description, features } = model.renderer;
    const isFromStart = queue.served === null && model.resources.count === 0;
    const recording = this.begun();
    context.send("recorder", {
      type: "recording-start",
      token,
      error: typeof recording === "string" ? recording : "",
      isFromStart,
      contexts: model.contexts.count,
      features: baseFeatures | features,
      renderer: { ...description },
      storage: tier.kind,
    });
    if (typeof recording === "string") return;
    recording.hasChecksums = checksums;
    if (queue.served !== null) recording.ringStarted(queue.features, 0);
    this.writeWhole(recording);
  }

  /** The keyframe may be more than the ring has room for, once. */
  private writeWhole(recording: QueueRecording): void {
    const { recordWaitMs } = this.context.config;
    recording.ring.waitMs = Math.max(recordWaitMs, firstKeyframeMs);
    this.writeKeyframe(recording);
    recording.ring.waitMs = recordWaitMs;
  }

  /** Returns why there is none where the host has no room for it. */
  private begun(): QueueRecording | string {
    try {
      return this.recorder.start();
    } catch (error) {
      return asRefusal(error).message;
    }
  }

  private writeKeyframe(recording: QueueRecording): void {
    // A replay that begins here reads nothing before it.
    recording.memory(this.queue.memory);
    writeKeyframe(recording, this.model, this.outbox, this.queue.features);
    this.keyframeAt = recording.ring.written;
  }
}
