// The whole system in one thread: the actors of a server, and the VMM and guest in front of it, with a clock and an order of
// turns that a seed gives.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Pump, DeviceTimeout } from "../../lab/driver/pump.ts";
import { SyntheticGuest, type GuestOptions } from "../../lab/driver/synthetic-guest.ts";
import { ResourceBridge } from "../../src/actors/bridge/resource-bridge.ts";
import { CursorQueue } from "../../src/actors/cursor/cursor-queue.ts";
import { Display } from "../../src/actors/display/display.ts";
import { loadSinks } from "../../src/actors/display/sinks/registry.ts";
import { FencePoller } from "../../src/actors/fence-poller/fence-poller.ts";
import type { Arena } from "../../src/actors/gpu/renderer/arena.ts";
import { gpuDevice } from "../../src/actors/gpu/device-type.ts";
import { loadTables } from "../../src/actors/machines/tables.ts";
import { SimulatedCompositor } from "./compositor.ts";
import { type CtrlQueueEvents, SimulatedCtrlQueue } from "./ctrl-queue.ts";
import { SimulatedDisk, SimulatedRecorder } from "./disk.ts";
import { Doom, watched, watchStores } from "./runtime/doom.ts";
import { type Party, Scheduler } from "./runtime/scheduler.ts";
import type { Cast } from "./runtime/simulated-host.ts";
import { VhostSession } from "../../src/actors/session/vhost-session.ts";
import { parseCommandLine, type ServerConfig } from "../../src/config.ts";
import { simulateTime } from "../../src/transport/os/clock.ts";
import { listenUnix } from "../../src/transport/os/unix-path.ts";
import type { ActorContext } from "../../src/actors/runtime/actor.ts";
import type { Chance } from "../../lab/fuzz/chance.ts";
import { schemas } from "../support/schemas.ts";
import { ScriptedRenderer } from "../support/scripted-renderer.ts";
import { SimulatedSupervisor } from "./supervisor.ts";

/** Of the simulation's time: whoever has not answered by then never will. */
const patienceMs = 30_000;

/** The VMM's loop: whoever waits in it lets all others have their turns. */
class SimulatedPump extends Pump implements Party {
  readonly name = "vmm";

  constructor(private readonly scheduler: Scheduler) {
    super(patienceMs);
    scheduler.add(this);
  }

  step(): boolean {
    return this.epoll.wait(0) > 0;
  }

  dueMs(): number {
    return -1;
  }

  override until(happened: () => boolean, what: string, timeoutMs = this.patienceMs): void {
    if (!this.scheduler.until(happened, timeoutMs))
      throw new DeviceTimeout(`${what}: nothing after ${timeoutMs} ms`);
  }

  override serve(ms: number): void {
    this.scheduler.until(() => false, ms);
  }

  override close(): void {
    this.scheduler.remove(this);
    super.close();
  }
}

/** Made once somebody simulates: whoever only starts other processes that do has none. */
let directory = "";

function ownDirectory(): string {
  if (directory !== "") return directory;
  directory = mkdtempSync(join(tmpdir(), "fencepost-simulation-"));
  process.on("exit", () => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

function configOf(folder: string, ...flags: string[]): ServerConfig {
  const request = parseCommandLine(
    [
      ...["--socket-path", join(folder, `vmm-${worlds}`)],
      ...["--resource-bridge", join(folder, `bridge-${worlds}`)],
      ...["--isolation", "process", "--vulkan", "off"],
      ...flags,
    ],
    {
      FENCEPOST_RENDERER: "software",
      FENCEPOST_STORAGE: "memfd",
      FENCEPOST_CHECK_MESSAGES: "1",
    },
  );
  if (request.kind !== "serve") throw new Error("no settings");
  return request.config;
}

/** A socket has a name of its own, so that none is in the way of the next world. */
let worlds = 0;
const tables = loadTables();
/** All kinds of sinks; a display has those that its settings ask for. */
const sinks = await loadSinks(configOf(tmpdir(), "--wayland=/none"));

/** What it keeps for its successor is written so that it may die of it. */
const watchedContext = (context: ActorContext): ActorContext =>
  Object.create(context, { keep: { value: watched(context.keep) } }) as ActorContext;

export class World {
  readonly scheduler: Scheduler;
  readonly supervisor: SimulatedSupervisor;
  renderer: ScriptedRenderer | null = null;
  /** The ctrl queue's. */
  readonly doom: Doom;
  /** What the next recording goes to. */
  disk = new SimulatedDisk(0, 0);
  /** What shows windows, if anybody does. */
  readonly compositor: SimulatedCompositor | null;
  private readonly config: ServerConfig;
  private guestNow: SyntheticGuest | null = null;

  /** `events` hears of the ctrl queue. */
  constructor(
    chance: Chance,
    private readonly events: CtrlQueueEvents,
    hasCompositor = false,
  ) {
    this.scheduler = new Scheduler(chance);
    simulateTime(this.scheduler);
    worlds++;
    const path = join(ownDirectory(), `wayland-${worlds}`);
    this.compositor = hasCompositor ? new SimulatedCompositor(path, this.scheduler, chance) : null;
    const rate = ["--frame-rate", chance(2) === 0 ? "unlimited" : "60"];
    this.config = configOf(ownDirectory(), ...rate, ...(hasCompositor ? [`--wayland=${path}`] : []));
    const { scheduler, config } = this;
    const listener = listenUnix(config.socketPath, "stream");
    this.supervisor = new SimulatedSupervisor(scheduler, config, tables, this.cast(), chance, listener);
    this.doom = new Doom(() => scheduler.isTurnOf("ctrl-queue") && this.supervisor.isUp("ctrl-queue"));
    watchStores(this.doom);
  }

  /** Where VMMs find it. */
  get socketPath(): string {
    return this.config.socketPath;
  }

  /** Where other devices find the resource bridge. */
  get bridgePath(): string {
    return this.config.resourceBridge[0]!;
  }

  get guest(): SyntheticGuest {
    return this.guestNow!;
  }

  /** A VMM connects, and its guest's driver starts. */
  boot(options: GuestOptions): SyntheticGuest {
    const { socketPath } = this.config;
    return (this.guestNow = SyntheticGuest.boot(socketPath, options, new SimulatedPump(this.scheduler)));
  }

  /** A VMM connects, whose guest is yet to start, or to go on. */
  connect(options: GuestOptions): SyntheticGuest {
    const pump = new SimulatedPump(this.scheduler);
    return (this.guestNow = SyntheticGuest.connect(this.config.socketPath, options, pump));
  }

  /** The VMM is gone. */
  hangUp(): void {
    this.guestNow?.close();
    this.guestNow = null;
  }

  close(): void {
    watchStores(null);
    try {
      this.hangUp();
      // What the display still has of a ctrl queue that stops goes with their process, which this one outlives.
      this.scheduler.settle(200, 5_000);
      this.supervisor.stop();
    } finally {
      this.compositor?.close();
      simulateTime(null);
    }
  }

  private cast(): Cast {
    return {
      schemas,
      create: {
        display: (context) =>
          new Display(
            context,
            sinks.filter(({ kind }) => kind.isWanted(context.config)),
          ),
        "fence-poller": (context) => new FencePoller(context),
        recorder: (context) => new SimulatedRecorder(context, () => this.disk),
        "resource-bridge": (context) => new ResourceBridge(context),
        "ctrl-queue": (context) =>
          new SimulatedCtrlQueue(watchedContext(context), this.makeRenderer, this.untilDeath),
        "cursor-queue": (context) => new CursorQueue(context),
        "vhost-session": (context) => new VhostSession(context, gpuDevice),
      },
    };
  }

  /** Nobody dies twice: what is left of it is only put away. */
  private readonly untilDeath: CtrlQueueEvents = {
    ran: (head) => this.events.ran(head),
    tookOver: () => this.events.tookOver(),
    died: (obituary) => {
      this.doom.lift();
      this.events.died(obituary);
    },
  };

  private readonly makeRenderer = (arena: Arena): ScriptedRenderer =>
    (this.renderer = new ScriptedRenderer(arena));
}
