// Between two guests of one recording: the ctrl queue's process has ended with its front-end, and what it has left is written before
// anything of the next one's comes.

import type { End } from "../../transport/wire/record/details.ts";
import type { ActorContext } from "../runtime/actor.ts";
import type { CurrentRecording } from "./current-recording.ts";
import type { QueueRings } from "./queue-rings.ts";

/** The recorder. */
interface Owner {
  /** What is recorded, if anything is; and whether that is about to end. */
  readonly current: CurrentRecording | null;
  readonly ending: object | null;
  readonly closing: object | null;
  end(end: End): void;
}

export class Intermission {
  /** The supervisor's question, until it is answered. */
  private token: number | null = null;
  /** Whether what is in the rings is all that comes. */
  private isLeft = false;
  /** Whether nothing of the one that has gone is to be written any more. */
  isOn = false;

  constructor(
    private readonly context: ActorContext,
    private readonly rings: QueueRings,
    private readonly owner: Owner,
  ) {}

  /** The ctrl queue has ended; its peers are told of that once this is answered. */
  begin(token: number, isInOrder: boolean): void {
    const { asks } = this.context;
    this.token = token;
    // One that is about to begin does so with the next.
    if (this.owner.current === null) return this.answer();
    // What it has not answered it never will.
    asks.lose("ctrl-queue", false);
    if (this.isEnding) return;
    if (!isInOrder) return this.crash("the ctrl queue did not end in order with its guest");
    asks.ask("cursor-queue", { type: "ask-recording-stop" }, () => (this.isLeft = true));
  }

  /** The recorder has written what there was, and could go on; `isEmpty`: the rings have nothing more. */
  written(isEmpty: boolean): void {
    if (!this.isLeft) return;
    this.isLeft = false;
    if (!isEmpty) return this.crash("the ctrl queue has ended amid what it told");
    this.isOn = true;
    this.rings.empty();
    this.owner.current!.transcript.restart();
    this.answer();
  }

  /** A ctrl queue is gone; the next one is asked for a recording that was about to begin. */
  lost(): void {
    if (this.owner.current === null) this.rings.empty();
    else if (!this.isOn) this.crash("the ctrl queue has crashed");
  }

  /** Another ctrl queue is there. */
  goOn(): void {
    const { current } = this.owner;
    if (!this.isOn || current === null || this.isEnding) return;
    const { checksums } = current;
    const question = { type: "ask-recording-start", checksums } as const;
    this.context.asks.ask(
      "ctrl-queue",
      question,
      (answer) => {
        // It may have been told to stop since.
        if (!this.isOn || this.isEnding) return;
        this.isOn = false;
        if (answer?.error !== "") return this.crash(answer?.error ?? "the ctrl queue has crashed");
        this.context.send("cursor-queue", { type: "start-recording" });
      },
      { again: true },
    );
  }

  /** The recording has ended. */
  ended(): void {
    this.isOn = this.isLeft = false;
    this.answer();
  }

  private get isEnding(): boolean {
    return this.owner.ending !== null || this.owner.closing !== null;
  }

  private crash(text: string): void {
    this.owner.end({ reason: "crashed", text });
  }

  private answer(): void {
    if (this.token === null) return;
    this.context.send("supervisor", { type: "recording-pause", token: this.token });
    this.token = null;
  }
}
