// Questions of the supervisor to running actors: counters, descriptions, pictures.

import { closeFd } from "../../transport/os/fds.ts";
import { snapshotBytesMax } from "../gpu/manifest.ts";
import { bytesIn, isSentWhole } from "../../transport/os/sent-bytes.ts";
import type { ControlHandlers, Picture, StateSnapshot } from "./control-server.ts";
import { answered } from "./answered.ts";
import { Crashes } from "./crashes.ts";
import type { Life } from "./lives.ts";
import type { LogSink } from "./log-sink.ts";
import type { SupervisorMessage } from "./messages.ts";
import { manifestOf, type WorkerName } from "../registry.ts";
import type { OutputChanges } from "../output-changes.ts";
import type { AnswerTo, Question } from "../runtime/asks.ts";
import type { ActorHost } from "../runtime/host.ts";

const answerTimeoutMs = 3_000;

type Asked = "vhost-session" | "ctrl-queue" | "display" | "recorder";

export class Inquiries {
  readonly crashes: Crashes;
  /** What the inspector's last life has told: port and token outlive it. */
  private inspectorUrl: string | null = null;

  /** What the control socket asks of it. */
  readonly answers: Pick<ControlHandlers, "screenshot" | "snapshot" | "inspector" | "outputs"> = {
    screenshot: (scanout) => this.snapshot(scanout),
    snapshot: () => this.state(),
    inspector: () => this.inspector(),
    outputs: (changes) => this.outputs(changes),
  };

  constructor(
    private readonly host: ActorHost,
    /** Whether the settings ask for the inspector's page. */
    private readonly hasPage: boolean,
    log: Pick<LogSink, "write">,
  ) {
    this.crashes = new Crashes(log);
  }

  /** What an actor tells once, and somebody may ask for later. */
  hear(
    from: WorkerName,
    message: Extract<SupervisorMessage, { type: "context-named" | "inspector-opened" }>,
  ): void {
    if (message.type === "inspector-opened") this.inspectorUrl = message.url;
    else this.crashes.nameContext(from, message.context, message.name);
  }

  /** Where the inspector is, with its token. Throws where it is not. */
  private inspector(): string {
    const { names } = this.host;
    if (!names.includes("inspector") || !this.hasPage)
      throw new Error("the server has no inspector: start it with --inspect");
    if (this.inspectorUrl === null || !this.host.isAlive("inspector"))
      throw new Error("the inspector is not there: the server's log says why");
    return this.inspectorUrl;
  }

  /** Each actor's state, restarts and counters, in the order of their start. */
  actors(lives: ReadonlyMap<WorkerName, Life>): Record<string, unknown> {
    const described = this.host.names.map((name) => {
      const { value, context } = lives.get(name)!.getSnapshot();
      const { restarts } = context;
      const [crashes, lastCrash] = [this.crashes.count(name), this.crashes.of(name)];
      const pid = this.host.pidOf(name);
      const own = pid === null ? {} : { pid };
      const counters = this.counters(name);
      return [name, { state: value, ...own, restarts, crashes, lastCrash, counters }] as const;
    });
    return Object.fromEntries(described);
  }

  /** What `ctl status` says beyond what the supervisor knows itself. */
  async status(): Promise<Record<string, unknown>> {
    const [session, ctrlQueue, display, recording] = await Promise.all([
      this.describe("vhost-session"),
      this.describe("ctrl-queue"),
      this.describe("display"),
      this.host.isAlive("recorder") ? this.describe("recorder") : { state: "off", last: null },
    ]);
    return {
      renderer: ctrlQueue?.["renderer"] ?? null,
      storage: ctrlQueue?.["storage"] ?? null,
      session,
      scanouts: ctrlQueue?.["scanouts"] ?? null,
      display,
      recording,
    };
  }

  /** The actor's own account of itself; null when it does not answer. */
  private async describe(actor: Asked): Promise<Record<string, unknown> | null> {
    const answer = await this.ask(actor, { type: "ask-description" });
    return answer?.state ?? null;
  }

  /** What a scanout shows. Throws when it shows nothing, can't be read, or the display does not answer. */
  private async snapshot(scanout: number): Promise<Picture> {
    const answer = await this.ask("display", { type: "ask-snapshot", scanout });
    if (answer === null) throw new Error("the display does not answer");
    const { fd, width, height, error } = answer;
    if (fd < 0) throw new Error(error);
    return { width, height, pixels: bytesIn(fd, width * height * 4) };
  }

  /** What the guest has, as the bytes of a snapshot. Throws when that cannot be had, or the ctrl queue does not answer. */
  private async state(): Promise<StateSnapshot> {
    const answer = await this.ask("ctrl-queue", { type: "ask-state", isWhole: false });
    if (answer === null) throw new Error("the ctrl queue does not answer");
    const { fd, bytes, resources, contexts, error } = answer;
    if (fd < 0) throw new Error(error);
    // It comes from a process that a guest may have taken over, and reading beyond its end would end this one.
    if (bytes > snapshotBytesMax || !isSentWhole(fd, bytes)) {
      closeFd(fd);
      throw new Error("the ctrl queue's answer makes no sense");
    }
    return { bytes: bytesIn(fd, bytes), resources, contexts };
  }

  /** The outputs, once they are as `changes` says. Throws where they cannot be. */
  private async outputs(changes: OutputChanges | null): Promise<Record<string, unknown>> {
    const answer = await this.ask("display", { type: "ask-outputs", changes });
    if (answer === null) throw new Error("the display does not answer");
    const { error, said, outputs } = answer;
    if (error !== "") throw new Error(error);
    return { said, outputs };
  }

  private counters(actor: WorkerName): Record<string, number> {
    const values = this.host.counters(actor);
    return Object.fromEntries(manifestOf[actor].counters.map((name, index) => [name, values[index]!]));
  }

  private ask<To extends Asked, What extends Question<To>>(
    actor: To,
    question: What,
  ): Promise<AnswerTo<What>> {
    return answered(this.host.asks, actor, question, answerTimeoutMs);
  }
}
