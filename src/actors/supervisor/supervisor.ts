// The supervisor: runs the device machine, starts and watches the actors, ends the process in order.

import { rmSync } from "node:fs";
import { createActor } from "xstate";
import type { ServerConfig } from "../../config.ts";
import { deviceMachine, exitCodes } from "../machines/device.ts";
import { loadTables } from "../machines/tables.ts";
import type { WorkerName } from "../registry.ts";
import { ActorHost } from "../runtime/host.ts";
import type { HostEvents } from "../runtime/host-events.ts";
import { Log } from "../runtime/log.ts";
import type { Sandbox } from "../sandbox/sandbox.ts";
import { asRefusal } from "../../transport/os/errors.ts";
import { freeSocketPath, PathRefusal } from "../../transport/os/unix-path.ts";
import { ActorLogs } from "./actor-logs.ts";
import { ControlServer } from "./control-server.ts";
import type { SessionState, SupervisorEvents } from "./events.ts";
import { Inquiries } from "./inquiries.ts";
import { areUp, begun, comeBack, isSpare, type Life, stopping } from "./lives.ts";
import type { LogSink } from "./log-sink.ts";
import { Recordings } from "./recordings.ts";
import { Renewal } from "./renewal.ts";
import { keepRestoreFile } from "./restore-file.ts";
import { Tracing } from "./tracing.ts";
import { VmmSocket } from "./vmm-socket.ts";

/** How long the actors may take to come up, which is more than ten seconds where the CPU is emulated. */
const readyTimeoutMs = 60_000;

const tooManyPrograms = ["it is hung up on", "a program on the control socket"] as const;

export class Supervisor {
  private readonly host: ActorHost;
  private readonly device = createActor(deviceMachine);
  private readonly actors = new Map<WorkerName, Life>();
  private readonly inquiries: Inquiries;
  private readonly tracing: Tracing;
  private readonly recordings: Recordings;
  private readonly renewal: Renewal;
  private readonly control: ControlServer;
  /** What a front-end, and a guest that starts its driver again and again, can have said. */
  private readonly sessionLog: Log;
  private readonly actorLogs: ActorLogs;
  private readonly settling = new Map<WorkerName, Timer>();
  private readyTimer: Timer | undefined;
  private readonly socket: VmmSocket;
  private isServed = false;
  private startsPrograms = false;
  /** How long a restarted actor must live for its crashes to be forgiven. */
  settledMs = 10_000;
  /** How long each actor may take to stop; it collects what a session has left, which is slow where the CPU is emulated. */
  stopTimeoutMs = 10_000;

  constructor(
    private readonly config: ServerConfig,
    private readonly log: Pick<LogSink, "write" | "level">,
    private readonly events: SupervisorEvents,
    private readonly sandbox: Pick<Sandbox, "close" | "describe" | "checkFile">,
  ) {
    this.actorLogs = new ActorLogs(log, config);
    this.sessionLog = new Log("debug", (at, text) => log.write(at, "supervisor", text), config.logLinesMax);
    this.host = new ActorHost(config, loadTables(), {
      message: (from, message) => this.receive(from, message),
      crashed: (name, reason) => this.crashed(name, reason),
      said: (name, line) => this.sessionLog.guest(() => `the process of the ${name} says: ${line}`),
    });
    for (const name of this.host.names) this.actors.set(name, begun(name, config));
    this.socket = new VmmSocket(config);
    this.inquiries = new Inquiries(this.host, config.inspect !== undefined, log);
    this.tracing = new Tracing(this.host);
    this.recordings = new Recordings(this.host, this.actors, config);
    this.renewal = new Renewal(this.host, this.actors.get("ctrl-queue")!, log);
    this.control = new ControlServer(config.controlPath, config.controlPeersMax, {
      status: async () => ({ ...this.ownStatus(), ...(await this.inquiries.status()) }),
      ...this.inquiries.answers,
      checkFile: (path) => sandbox.checkFile(path),
      startTrace: (path) => this.tracing.start(path),
      stopTrace: () => this.tracing.stop(),
      ...this.recordings.answers,
      setLogLevel: (level) => this.host.setLogLevel((this.log.level = level)),
      kill: (actor) => this.host.crash(actor),
      tooMany: () => this.sessionLog.beyond("controlPeersMax", config.controlPeersMax, ...tooManyPrograms),
      shutdown: () => this.shutdown("asked to on the control socket"),
    });
  }

  /** Serves until the device ends; returns the process's exit code. */
  async run(): Promise<number> {
    this.device.start();
    const stopping = new Promise<void>((resolve) => {
      this.device.subscribe((snapshot) => {
        if (snapshot.matches("stopping")) resolve();
      });
    });
    this.openSockets();
    // What is wrong so far is said before a renderer is started for nothing.
    if (this.device.getSnapshot().matches("stopping")) return await this.stop();
    this.host.start();
    const reason = `the actors did not start within ${readyTimeoutMs / 1000} s`;
    this.readyTimer = setTimeout(() => this.device.send({ type: "FATAL", reason }), readyTimeoutMs);
    await stopping;
    clearTimeout(this.readyTimer);
    return await this.stop();
  }

  /** Ends the device in order, as a signal or a closed window asks. */
  shutdown(reason: string): void {
    this.device.send({ type: "SHUTDOWN", reason });
  }

  /** Removes what actors leave behind that crashed, were ended, or are not waited for. */
  removeSockets(): void {
    this.control.close();
    this.tracing.close();
    this.socket.remove();
    if (this.host.isAlive("resource-bridge"))
      for (const path of this.config.resourceBridge) rmSync(path, { force: true });
  }

  private async stop(): Promise<number> {
    this.events.stopping(this.device.getSnapshot().context.reason);
    this.control.close();
    for (const timer of this.settling.values()) clearTimeout(timer);
    // Peers wait for the answers of one that comes, until they hear that it does not.
    for (const [name, life] of this.actors)
      if (stopping(life, () => this.host.endStart(name))) this.host.announceLoss(name, false);
    let isLate = false;
    await this.host.stop(this.stopTimeoutMs, (name) => {
      isLate = true;
      this.actors.get(name)!.send({ type: "STOP_TIMEOUT" });
      this.log.write("error", name, `did not stop within ${this.stopTimeoutMs / 1000} s, and was ended`);
    });
    this.removeSockets();
    this.device.send({ type: isLate ? "STOP_TIMEOUT" : "STOPPED" });
    const { exitCode, reason } = this.device.getSnapshot().context;
    if (exitCode === exitCodes.ok) this.log.write("info", "supervisor", `stopped: ${reason}`);
    else this.log.write("error", "supervisor", `the device failed: ${reason}`);
    return exitCode;
  }

  /** The bridge binds its own paths. */
  private openSockets(): void {
    const { resourceBridge, trace, restore } = this.config;
    this.orEnd("FATAL", "", () => this.socket.open());
    for (const path of resourceBridge)
      this.orEnd("FATAL", "no resource bridge: ", () => freeSocketPath(path));
    this.orEnd("FATAL", "no control socket: ", () => this.control.open());
    // What cannot be had is the settings' matter.
    this.orEnd("MISCONFIGURED", "--restore: ", () => restore && keepRestoreFile(restore, this.host));
    this.orEnd("MISCONFIGURED", "--trace: ", () => trace !== undefined && this.tracing.prepare(trace));
  }

  private orEnd(type: "FATAL" | "MISCONFIGURED", what: string, attempt: () => void): void {
    try {
      attempt();
    } catch (error) {
      const reason = what + asRefusal(error).message;
      this.device.send({ type: error instanceof PathRefusal ? "MISCONFIGURED" : type, reason });
    }
  }

  private receive(from: WorkerName, message: Parameters<HostEvents["message"]>[1]): void {
    switch (message.type) {
      case "started":
        this.startsPrograms ||= message.startsPrograms;
        return this.ready(from);
      case "stopped":
        this.actors.get(from)!.send({ type: "EXITED" });
        if (from === "vhost-session") this.socket.settled();
        return;
      case "log":
        return this.actorLogs.write(message.level, from, message.text);
      case "session-changed":
        return this.sessionChanged(message.state);
      case "failed":
        return this.device.send({ type: "FATAL", reason: message.reason });
      case "misconfigured":
        return this.device.send({ type: "MISCONFIGURED", reason: message.reason });
      case "shut-down":
        return this.shutdown(message.reason);
      case "context-named":
      case "inspector-opened":
        return this.inquiries.hear(from, message);
      case "trace-ended":
        this.tracing.path = null;
        return;
      case "ask-status":
        return this.host.send("inspector", { type: "status", token: message.token, state: this.ownStatus() });
      case "ask-renewal":
        return this.renewal.ask(message.token);
      case "ask-stream":
        return void this.recordings.stream(message);
    }
  }

  private ready(name: WorkerName): void {
    const actor = this.actors.get(name)!;
    const isRestart = actor.getSnapshot().context.restarts > 0;
    actor.send({ type: "READY" });
    if (name === "ctrl-queue") this.renewal.ready();
    if (name === "inspector") this.tracing.proceed();
    if (isRestart) this.restored(name);
    this.serve();
  }

  /** Serves front-ends once everything that they can reach is there. */
  private serve(): void {
    if (this.isServed || !areUp(this.actors)) return;
    this.isServed = true;
    if (!this.closeSandbox()) return;
    this.host.send("vhost-session", { type: "listen", fd: this.socket.handOver() });
  }

  /** Nothing of a guest or a front-end has been seen yet. Returns whether to go on. */
  private closeSandbox(): boolean {
    const { said, refusal } = this.sandbox.close(this.startsPrograms);
    for (const { level, text } of said) this.log.write(level, "supervisor", text);
    if (refusal !== null) this.device.send({ type: "MISCONFIGURED", reason: refusal });
    return refusal === null;
  }

  private sessionChanged(state: SessionState): void {
    const device = this.device.getSnapshot();
    if (!device.matches("starting") && !device.matches("stopping")) this.events.session(state);
    switch (state) {
      case "listening":
        if (!this.up(state)) this.device.send({ type: "SESSION_DOWN" });
        return;
      case "connected":
        this.up(state);
        this.sessionLog.limited("info", () => "a front-end has connected");
        this.device.send({ type: "SESSION_UP" });
        return;
      case "running":
        this.sessionLog.limited("info", () => "the guest's driver has started");
        this.device.send({ type: "DRIVER_OK" });
        return;
      case "suspended":
        this.device.send({ type: "DRIVER_STOPPED" });
        return;
      case "closed":
        this.device.send({ type: "SESSION_CLOSED" });
        return;
    }
  }

  /** The device is up, if it was about to be. Returns whether it was. */
  private up(state: "listening" | "connected"): boolean {
    if (!this.device.getSnapshot().matches("starting")) return false;
    clearTimeout(this.readyTimer);
    this.device.send({ type: "READY" });
    this.events.up(state);
    return true;
  }

  private crashed(name: WorkerName, reason: string): void {
    const actor = this.actors.get(name)!;
    this.inquiries.crashes.crashed(name, reason);
    // A life that ended is no proof that the next one is sound.
    clearTimeout(this.settling.get(name));
    actor.send({ type: "CRASH" });
    const snapshot = actor.getSnapshot();
    const returns = snapshot.matches("restarting");
    this.host.announceLoss(name, returns);
    if (snapshot.matches("failed")) this.givenUp(name);
    if (!returns) return;
    comeBack(actor, name, () => this.host.restart(name), this.log);
  }

  private givenUp(name: WorkerName): void {
    if (!isSpare(name))
      return this.device.send({ type: "ACTOR_LOST", reason: this.inquiries.crashes.story(name) });
    this.log.write("error", name, "given up: the device goes on without it");
    this.serve();
  }

  /** An actor that was restarted is there; its peers hear of it from the host. */
  private restored(name: WorkerName): void {
    this.inquiries.crashes.restarted(name);
    this.device.send({ type: "ACTOR_RESTARTED", actor: name });
    const settled = (): void => {
      this.actors.get(name)!.send({ type: "SETTLED" });
      this.inquiries.crashes.forgive(name);
    };
    this.settling.set(name, setTimeout(settled, this.settledMs));
  }

  /** What nobody else has to be asked for. */
  private ownStatus(): Record<string, unknown> {
    return {
      device: this.device.getSnapshot().value,
      pid: process.pid,
      isolation: this.config.isolation,
      sandbox: this.sandbox.describe(),
      actors: this.inquiries.actors(this.actors),
      outsiders: this.control.outsiders.all,
      trace: this.tracing.path,
    };
  }
}
