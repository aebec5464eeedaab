// The recording that somebody has asked for, by an actor that is started for it where the settings had not asked for one.

import type { ServerConfig } from "../../config.ts";
import type { WorkerName } from "../registry.ts";
import type { AnswerTo, Question } from "../runtime/asks.ts";
import type { ActorHost } from "../runtime/host.ts";
import type { ControlHandlers } from "./control-server.ts";
import { answered } from "./answered.ts";
import { begun, isAbsent, type Life } from "./lives.ts";
import type { SupervisorMessage } from "./messages.ts";

/** What waits for the disk when a recording ends is written before. */
const answerTimeoutMs = 12_000;

type Wanted = Extract<SupervisorMessage, { type: "ask-stream" }>;

export class Recordings {
  /** What the control socket asks of it. */
  readonly answers: Pick<ControlHandlers, "startRecording" | "stopRecording"> = {
    startRecording: (path) => this.start(path),
    stopRecording: () => this.stop(),
  };

  constructor(
    private readonly host: ActorHost,
    private readonly lives: Map<WorkerName, Life>,
    private readonly config: ServerConfig,
  ) {}

  /**
   * Records to a file of this absolute path from now on; tells of how many 3D contexts nothing is recorded. Throws where that
   * cannot be.
   */
  async start(path: string): Promise<{ path: string; contexts: number }> {
    this.provide();
    const { contexts } = await this.ask({ type: "ask-recording", path });
    return { path, contexts };
  }

  /** Records to a pipe of the inspector's, and tells that whether it does. */
  async stream({ token, fd, reader, checksums }: Wanted): Promise<void> {
    this.provide();
    let error = "";
    try {
      await this.ask({ type: "ask-recording-stream", fd, reader, checksums });
    } catch (caught) {
      // Whatever it is, whoever wants to read it is told.
      error = (caught as Error).message;
    }
    if (this.host.isAlive("inspector")) this.host.send("inspector", { type: "stream", token, error });
  }

  /** Throws where there is none, or it had to end without some of what was done. */
  async stop(): Promise<{ path: string; bytes: number }> {
    if (this.isAbsent) throw new Error("nothing is being recorded");
    const { path, bytes } = await this.ask({ type: "ask-recording-end" });
    return { path, bytes };
  }

  /** Starts the recorder, if there is none. */
  private provide(): void {
    if (!this.isAbsent) return;
    this.lives.set("recorder", begun("recorder", this.config));
    this.host.add("recorder");
  }

  private get isAbsent(): boolean {
    return isAbsent(this.lives.get("recorder"));
  }

  private async ask<What extends Question<"recorder">>(question: What): Promise<NonNullable<AnswerTo<What>>> {
    const answer = await answered(this.host.asks, "recorder", question, answerTimeoutMs);
    if (answer === null) throw new Error("the recorder does not answer");
    const { error } = answer as { error: string };
    if (error !== "") throw new Error(error);
    return answer;
  }
}
