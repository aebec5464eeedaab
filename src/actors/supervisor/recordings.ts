// The recording that somebody has asked for, by an actor that is started for it where the settings had not asked for one.

import type { WorkerName } from "../registry.ts";
import type { AnswerTo, Question } from "../runtime/asks.ts";
import type { ActorHost } from "../runtime/host.ts";
import { begun, isAbsent, type Life } from "./lives.ts";

/** What waits for the disk when a recording ends is written before. */
const answerTimeoutMs = 12_000;

export class Recordings {
  constructor(
    private readonly host: ActorHost,
    private readonly lives: Map<WorkerName, Life>,
  ) {}

  /**
   * Records to a file of this absolute path from now on; tells of how many 3D contexts nothing is recorded. Throws where that
   * cannot be.
   */
  async start(path: string): Promise<{ path: string; contexts: number }> {
    if (this.isAbsent) {
      this.lives.set("recorder", begun("recorder"));
      this.host.add("recorder");
    }
    const { contexts } = await this.ask({ type: "ask-recording", path });
    return { path, contexts };
  }

  /** Throws where there is none, or it had to end without some of what was done. */
  async stop(): Promise<{ path: string; bytes: number }> {
    if (this.isAbsent) throw new Error("nothing is being recorded");
    const { path, bytes } = await this.ask({ type: "ask-recording-end" });
    return { path, bytes };
  }

  private get isAbsent(): boolean {
    return isAbsent(this.lives.get("recorder"));
  }

  private async ask<What extends Question<"recorder">>(question: What): Promise<NonNullable<AnswerTo<What>>> {
    const { promise, resolve } = Promise.withResolvers<AnswerTo<What>>();
    this.host.asks.ask("recorder", question, resolve, { timeoutMs: answerTimeoutMs });
    const answer = await promise;
    if (answer === null) throw new Error("the recorder does not answer");
    const { error } = answer as { error: string };
    if (error !== "") throw new Error(error);
    return answer;
  }
}
