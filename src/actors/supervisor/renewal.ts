// A process that has run what one front-end's guest wrote serves no other: once that front-end has gone it ends, and another one
// takes its place, which has nothing of it.

import type { AreaName } from "../registry.ts";
import type { ActorHost } from "../runtime/host.ts";
import { answered } from "./answered.ts";
import { comeBack, type Life } from "./lives.ts";
import type { LogSink } from "./log-sink.ts";

const name = "ctrl-queue";
/** How long it may take to end by itself. */
const endMs = 2_000;
/** How long the recorder may take for what is still to be written: longer than it gives whoever reads that. */
const recorderMs = 8_000;

export class Renewal {
  /** The session's question, until it is answered. */
  private token: number | null = null;
  private isUnderWay = false;

  constructor(
    private readonly host: ActorHost,
    private readonly life: Life,
    private readonly log: Pick<LogSink, "write">,
  ) {}

  /** Answers the session once another one is there. One that has just died has a successor, which saw that guest's memory: after that. */
  ask(token: number): void {
    this.token = token;
    this.begin();
  }

  /** One is there: the one that was asked for, or a successor of the one that shall end. */
  ready(): void {
    if (!this.isUnderWay) return this.begin();
    this.isUnderWay = false;
    const { token } = this;
    this.token = null;
    if (this.host.isAlive("vhost-session"))
      this.host.send("vhost-session", { type: "renewal", token: token! });
  }

  private begin(): void {
    if (this.token === null || this.isUnderWay || !this.life.getSnapshot().matches("running")) return;
    this.isUnderWay = true;
    this.life.send({ type: "RENEW" });
    void this.renew();
  }

  private async renew(): Promise<void> {
    const { host, log } = this;
    const isInOrder = await host.retire(name, endMs);
    if (!isInOrder) log.write("info", name, `did not end with its guest within ${endMs} ms, and was ended`);
    const kept: AreaName[] = (await this.pauseRecording(isInOrder)) ? [] : ["recording"];
    // The server may have been told to stop meanwhile.
    if (!this.life.getSnapshot().matches("restarting")) return;
    host.announceLoss(name, true);
    const begin = (): void => {
      host.renew(name, kept);
      host.restart(name);
    };
    comeBack(this.life, name, begin, log);
  }

  /** Has the recorder take what is left of the guest that has gone. Returns whether it reads nothing more of that. */
  private async pauseRecording(isInOrder: boolean): Promise<boolean> {
    if (!this.host.isAlive("recorder")) return true;
    const question = { type: "ask-recording-pause", isInOrder } as const;
    return (await answered(this.host.asks, "recorder", question, recorderMs)) !== null;
  }
}
