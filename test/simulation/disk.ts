// A recorder whose disk fills up, fails or is slow.

import type { RecordingOutput } from "../../src/actors/recorder/recording-output.ts";
import type { RecorderMessage } from "../../src/actors/recorder/messages.ts";
import { Recorder } from "../../src/actors/recorder/recorder.ts";
import type { ActorContext } from "../../src/actors/runtime/actor.ts";
import { pauseMs } from "../../src/transport/os/clock.ts";
import { Refusal } from "../../src/transport/os/errors.ts";
import { recordingFrom } from "../../src/transport/wire/record/reader.ts";
import { Mismatch } from "./answers.ts";

export class SimulatedDisk implements RecordingOutput {
  readonly name = "a simulated disk";
  readonly taker = "the disk";
  readonly isFar = false;
  readonly ageMs = 1_000;
  readonly isUnread = false;
  readonly hasRoom = true;
  readonly isTaken = true;
  /** Whether a recording was made here, and is over. */
  isOver = false;
  private bytes = new Uint8Array(0);

  /** It takes so many bytes, and so long for each piece. */
  constructor(
    private readonly bytesMax: number,
    private readonly pieceMs: number,
  ) {}

  readonly append = (bytes: Uint8Array): void => {
    if (this.pieceMs > 0) pauseMs(this.pieceMs);
    if (this.bytes.length + bytes.length > this.bytesMax) throw new Refusal("there is no room on the disk");
    const all = new Uint8Array(this.bytes.length + bytes.length);
    all.set(this.bytes);
    all.set(bytes, this.bytes.length);
    this.bytes = all;
  };

  proceed(): void {}

  close(): void {
    this.isOver = true;
  }

  discard(): void {
    this.bytes = new Uint8Array(0);
  }

  /** Reads all that is there. Throws a {@link Mismatch} where that ends without a word, with room for one. */
  check(): number {
    const { bytes } = this;
    if (bytes.length === 0) return 0;
    const readAt = (offset: number, length: number): Uint8Array => bytes.subarray(offset, offset + length);
    const recording = recordingFrom(readAt, bytes.length);
    let entries = 0;
    for (const _ of recording.entries()) entries++;
    const { reason } = recording.ending;
    if (reason === "cut" && this.bytesMax === Infinity) throw new Mismatch("a recording has no end");
    return entries;
  }
}

export class SimulatedRecorder extends Recorder {
  constructor(
    private readonly own: ActorContext,
    private readonly disk: () => SimulatedDisk,
  ) {
    super(own);
  }

  override receive(message: RecorderMessage): void {
    if (message.type !== "ask-recording") return super.receive(message);
    const { token } = message;
    const answer = (error: string, contexts = 0): void =>
      this.own.send("supervisor", { type: "recording", token, error, contexts });
    const error = this["begin"](this.disk, token % 2 === 0, answer);
    if (error !== "") answer(error);
  }
}
