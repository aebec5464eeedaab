// Command streams of several contexts, whose answers are waited for together.

import type { Submission } from "../driver/command-queue.ts";
import { Response } from "../../src/transport/wire/virtio-gpu/protocol.ts";

export class StreamsUnderWay {
  private sent: { context: number; submission: Submission }[] = [];

  /** So many at a time. */
  constructor(private readonly max: number) {}

  get areMany(): boolean {
    return this.sent.length >= this.max;
  }

  add(context: number, submission: Submission): void {
    this.sent.push({ context, submission });
  }

  /** Forgets them, all of which are answered. Returns the contexts that were lost. */
  lost(): ReadonlySet<number> {
    const lost = this.sent.filter(({ submission }) => submission.result.type !== Response.OK_NODATA);
    this.sent = [];
    return new Set(lost.map(({ context }) => context));
  }
}
