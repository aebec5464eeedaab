// The supervisor's part of a simulation: it follows the life of each actor by the machine that the server has, and starts
// another one where an actor may return.

import type { LifecycleTables } from "../../src/actors/machines/index.ts";
import type { Inbox, WorkerName } from "../../src/actors/registry.ts";
import type { Chance } from "../../lab/fuzz/chance.ts";
import type { Scheduler } from "./runtime/scheduler.ts";
import { type Cast, SimulatedHost } from "./runtime/simulated-host.ts";
import { areUp, begun, type Life } from "../../src/actors/supervisor/lives.ts";
import type { ServerConfig } from "../../src/config.ts";

const renewed = "ctrl-queue";
/** As the server's (supervisor.ts). */
const restartPauseMs = 10;

export class SimulatedSupervisor {
  readonly log: string[] = [];
  readonly host: SimulatedHost;
  /** How many actors were killed. */
  kills = 0;
  /** Why the device is over, or "". */
  failure = "";
  private readonly lives = new Map<WorkerName, Life>();
  private listening: number;
  /** The session's question for another ctrl queue, until it is answered; and whether that one ends, or is about to come. */
  private renewal: number | null = null;
  private renewing: "no" | "ending" | "starting" = "no";
  /** How many ctrl queues have ended with their guests. */
  renewals = 0;

  /** `listener` is the VMM's socket, which the session is given once all are up. */
  constructor(
    private readonly scheduler: Scheduler,
    config: ServerConfig,
    machines: LifecycleTables,
    cast: Cast,
    chance: Chance,
    listener: number,
  ) {
    this.listening = listener;
    this.host = new SimulatedHost(config, machines, scheduler, cast, chance, (from, message) =>
      this.receive(from, message),
    );
    for (const name of this.host.names) this.lives.set(name, begun(name, config));
    this.host.start();
  }

  /** Whether the actor is up, and may be killed. */
  isUp(name: WorkerName): boolean {
    return this.lives.get(name)?.getSnapshot().matches("running") ?? false;
  }

  /** Whether all are. */
  get areUp(): boolean {
    return areUp(this.lives);
  }

  kill(name: WorkerName): void {
    this.host.crash(name);
  }

  /** Ends all actors in order, the last first. */
  stop(): void {
    for (const name of this.host.names.toReversed()) {
      if (!this.host.isAlive(name)) continue;
      this.lives.get(name)!.send({ type: "STOP" });
      this.host.stop(name);
      this.scheduler.until(() => !this.host.isAlive(name), 20_000);
      if (this.host.isAlive(name)) this.fail(`${name} did not stop`);
    }
    this.host.close();
  }

  private receive(from: WorkerName, message: Inbox["supervisor"]): void {
    switch (message.type) {
      case "log":
        this.log.push(`${from}: ${message.level}: ${message.text}`);
        return;
      case "started":
        return this.started(from);
      case "crashed":
        return this.crashed(from, message.reason);
      case "failed":
      case "misconfigured":
      case "shut-down":
        return this.fail(`${from}: ${message.reason}`);
      case "peer-broken":
        return this.fail(`${from}: ${message.peer} ${message.reason}`);
      case "stopped":
        this.host.ended(from);
        if (from === renewed && this.renewing === "ending") this.letRecorderPause();
        return;
      case "recording-pause":
        return this.renew();
      case "ask-renewal":
        this.renewal = message.token;
        return this.beginRenewal();
      default:
    }
  }

  private started(name: WorkerName): void {
    const life = this.lives.get(name)!;
    const isReturn = life.getSnapshot().context.restarts > 0;
    life.send({ type: "READY" });
    if (isReturn) {
      this.host.announceReturn(name);
      // Crashes in a row are another matter than those that chance brings about.
      life.send({ type: "SETTLED" });
    }
    if (name === renewed) this.endRenewal();
    if (this.listening < 0 || !this.areUp) return;
    this.host.send("vhost-session", { type: "listen", fd: this.listening });
    this.listening = -1;
  }

  /** As the server's (renewal.ts). */
  private beginRenewal(): void {
    const life = this.lives.get(renewed)!;
    if (this.renewal === null || this.renewing !== "no" || !life.getSnapshot().matches("running")) return;
    this.renewing = "ending";
    life.send({ type: "RENEW" });
    this.host.stop(renewed);
  }

  private letRecorderPause(): void {
    if (this.isUp("recorder"))
      this.host.send("recorder", { type: "ask-recording-pause", token: 1, isInOrder: true });
    else this.renew();
  }

  /** Once: of a recorder that has crashed meanwhile nothing is waited for. */
  private renew(): void {
    if (this.renewing !== "ending") return;
    this.renewing = "starting";
    this.renewals++;
    this.host.announceLoss(renewed, true);
    this.host.renew(renewed);
    this.lives.get(renewed)!.send({ type: "SPAWN" });
    this.host.restart(renewed);
  }

  private endRenewal(): void {
    if (this.renewing !== "starting") return this.beginRenewal();
    this.renewing = "no";
    this.host.announceReturn(renewed);
    this.host.send("vhost-session", { type: "renewal", token: this.renewal! });
    this.renewal = null;
  }

  private crashed(name: WorkerName, reason: string): void {
    if (!reason.includes("killed by request")) this.fail(`${name} crashed: ${reason}`);
    const life = this.lives.get(name)!;
    this.kills++;
    if (name === renewed && this.renewing === "ending") return this.letRecorderPause();
    // Whoever is ended has no death of its own, and the recorder was asked something.
    if (name === "recorder" && this.renewing === "ending") this.renew();
    life.send({ type: "CRASH" });
    const returns = life.getSnapshot().matches("restarting");
    this.host.announceLoss(name, returns);
    if (!returns) return this.fail(`${name} does not return`);
    this.host.timers.after(restartPauseMs, () => {
      if (!life.getSnapshot().matches("restarting")) return;
      life.send({ type: "SPAWN" });
      this.host.restart(name);
    });
  }

  private fail(reason: string): void {
    if (this.failure === "") this.failure = reason;
  }
}
