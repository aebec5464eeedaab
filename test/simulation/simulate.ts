// One seed: a guest that does what chance says, in a system that chance troubles, and what a model says must come of it.

import type { SyntheticGuest } from "../../lab/driver/synthetic-guest.ts";
import type { DisplayPeer } from "../../lab/vmm/display-peer.ts";
import type { WorkerName } from "../../src/actors/registry.ts";
import { Flags, RequestType } from "../../src/transport/wire/vhost-user/protocol.ts";
import { Feature } from "../../src/transport/wire/virtio-gpu/protocol.ts";
import { type Chance, chanceOf, chanceOfInput, oneIn } from "../../lab/fuzz/chance.ts";
import { Answers, Mismatch } from "./answers.ts";
import { troubleClient } from "./compositor-troubles.ts";
import type { Obituary } from "./ctrl-queue.ts";
import { Borrowers } from "./borrowers.ts";
import { Driver } from "./driver.ts";
import type { History } from "./history.ts";
import { Recordings } from "./recordings.ts";
import { compareScreen } from "./screen.ts";
import { loadState, stateIfSaved } from "../../lab/vmm/device-state.ts";
import { anyDisplay, anyLie, pauseVm, restartDriver, restartRings, stopRings } from "./vmm.ts";
import { World } from "./world.ts";

export interface Outcome {
  /** What the device did otherwise than the model says, or what it died of; "" where nothing was found. */
  failure: string;
  /** All that has happened, as one number: the same for the same seed. */
  transcript: string;
  steps: number;
  commands: number;
  turns: number;
  kills: number;
  /** Deaths of the ctrl queue among those. */
  deaths: number;
  /** Guests that came after the first. */
  guests: number;
  /** Ctrl queues that ended with theirs. */
  renewals: number;
  /** Pictures that were compared, of all scanouts together. */
  pictures: number;
  /** How often the VM went on in another session. */
  moves: number;
  /** Pixels of these that were not black. */
  pixels: number;
  /** Pictures of a compositor's windows, too. */
  windows: number;
  /** What other devices were lent, and had as it should be. */
  lent: number;
  /** Entries of recordings that were read again. */
  recorded: number;
  /** What the steps have done, and what the actors have logged. */
  log: readonly string[];
}

export interface Plan {
  seed: number;
  /** Which of the seed's steps are done; without it, all. */
  only?: ReadonlySet<number>;
  /** A guest without mistakes, in a system without trouble. */
  isClean?: boolean;
}

/** Steps of each seed. */
export const stepsOfSeed = 120;

/** The actors that may be killed: what these know, others can tell their successors. */
const mortal: readonly WorkerName[] = [
  "display",
  "cursor-queue",
  "fence-poller",
  "resource-bridge",
  "recorder",
];
const memory = [
  { guestAddress: 0, size: 4 << 20 },
  { guestAddress: 2 ** 32, size: 8 << 20 },
];

/** Runs a seed, or the steps of it that the plan has. */
export function simulate(plan: Plan): Outcome {
  const run = new Run(plan);
  try {
    run.all();
  } catch (error) {
    run.failed(error as Error);
  }
  run.close();
  return run.outcome();
}

class Run {
  private readonly hash = new Bun.CryptoHasher("sha1");
  private readonly chance: Chance;
  private readonly world: World;
  private readonly answers = new Answers((line) => this.note(line));
  private readonly borrowers: Borrowers;
  private readonly recordings: Recordings;
  private driver!: Driver;
  /** That of the guest that runs, if any. */
  private history: History | null = null;
  private readonly stalled = new Set<DisplayPeer>();
  private failure = "";
  private steps = 0;
  private guests = 0;
  private deaths = 0;
  private pictures = 0;
  private pixels = 0;
  private moves = 0;
  /** Whether what the device has is nowhere but with the VMM; and whether who died last died then, or as it took that up. */
  private isMoving = false;
  private isAmidMove = false;

  constructor(private readonly plan: Plan) {
    this.chance = chanceOf(plan.seed);
    const events = {
      ran: (head: number) => this.history?.ran(head),
      died: (obituary: Obituary) => this.died(obituary),
      tookOver: () => this.tookOver(),
    };
    this.world = new World(this.chance, events, oneIn(this.chance, 3));
    this.recordings = new Recordings(this.world);
    this.borrowers = new Borrowers(this.world);
    this.world.scheduler.onTurn = (name, atNs) => this.hash.update(`${name} ${atNs}`);
  }

  all(): void {
    this.boot();
    const { only, seed } = this.plan;
    for (let step = 0; step < stepsOfSeed; step++) {
      if (only !== undefined && !only.has(step)) continue;
      // Of its own, so that a step is the same without those before it.
      this.step(step, chanceOfInput(seed, step));
      this.steps++;
    }
    this.compare();
  }

  failed(error: Error): void {
    const { failure } = this.world.supervisor;
    const text =
      error instanceof Mismatch ? error.message : `${error.name}: ${error.message}\n${error.stack}`;
    this.failure = failure === "" ? text : failure;
  }

  close(): void {
    this.borrowers.close();
    try {
      this.world.close();
    } catch (error) {
      if (this.failure === "") this.failed(error as Error);
    }
    const { failure } = this.world.supervisor;
    if (this.failure === "") this.failure = failure;
  }

  outcome(): Outcome {
    const { failure, steps, pictures, moves, pixels, world } = this;
    return {
      failure,
      transcript: this.hash.digest("hex"),
      steps,
      commands: this.answers.commands,
      turns: world.scheduler.turns,
      kills: world.supervisor.kills,
      deaths: this.deaths,
      guests: this.guests - 1,
      renewals: world.supervisor.renewals,
      pictures,
      moves,
      pixels,
      windows: world.compositor?.windows ?? 0,
      lent: this.borrowers.lent,
      recorded: this.recordings.entries,
      log: world.supervisor.log,
    };
  }

  private note(line: string): void {
    this.hash.update(line);
    this.world.supervisor.log.push(line);
  }

  private step(step: number, chance: Chance): void {
    const { scheduler, supervisor, compositor } = this.world;
    const { isClean = false } = this.plan;
    const kind = chance(40);
    this.note(`step ${step} at ${scheduler.atNs / 1e6} ms`);
    if (kind === 0) this.compare();
    else if (kind < 6) for (let turn = chance(30); turn > 0; turn--) scheduler.turn();
    else if (kind === 6) scheduler.until(() => false, chance(40));
    else if (kind === 7 && !isClean) this.kill(mortal[chance(mortal.length)]!, chance);
    else if (kind === 13 && !isClean) this.killQueue(chance);
    else if (kind === 8 && !isClean) scheduler.hold(this.anyParty(chance), chance(60));
    else if (kind === 9 && chance(4) === 0 && !isClean) this.reboot();
    else if (kind === 10 && !isClean) this.delayFences(chance(80));
    else if (kind === 11 && !isClean) this.stallDisplay(chance(120));
    else if (kind === 12 && !isClean) this.askInPieces(chance);
    else if (kind === 14) this.pause(chance);
    else if (kind === 15 && chance(3) === 0) this.restartDriver(chance(2) === 0);
    else if (kind === 16 && !isClean) this.changeDisplay(chance);
    else if (kind === 19 && chance(3) === 0) this.recordings.act(chance);
    else if (kind === 17 || kind === 18) this.borrow(chance);
    else if (kind === 22) this.move(chance);
    else if ((kind === 20 || kind === 21) && compositor !== null && !isClean) this.troubleCompositor(chance);
    else this.driver.act(chance);
    compositor?.check();
    if (supervisor.failure !== "") throw new Mismatch(supervisor.failure);
  }

  private kill(name: WorkerName, chance: Chance): void {
    const { supervisor, doom } = this.world;
    if (!supervisor.isUp(name) || doom.isSet) return;
    if (name === "ctrl-queue" && chance(4) > 0) {
      const count = chance(chance(2) === 0 ? 20 : 200);
      this.note(`kill ${name} ${count} stores from now`);
      return doom.set(count, chance(2) === 0);
    }
    this.note(`kill ${name}`);
    supervisor.kill(name);
  }

  /** What there is afterwards is looked at before anything else changes it, once in a while. */
  private killQueue(chance: Chance): void {
    if (chance(3) > 0) return this.kill("ctrl-queue", chance);
    const { supervisor } = this.world;
    if (!supervisor.isUp("ctrl-queue")) return;
    this.note("kill ctrl-queue");
    supervisor.kill("ctrl-queue");
    this.compare();
  }

  /** The ctrl queue dies within so many stores from now, unless somebody is to die already. */
  private doomQueue(chance: Chance, stores: number): void {
    const { supervisor, doom } = this.world;
    const isMortal = this.plan.isClean !== true && supervisor.isUp("ctrl-queue") && !doom.isSet;
    if (isMortal) doom.set(chance(stores), chance(2) === 0);
  }

  private died(obituary: Obituary): void {
    const { head, context, isKept, restoring, hasSnapshot } = obituary;
    const what = `kept: ${isKept}, restoring ${restoring}, with a snapshot: ${hasSnapshot}`;
    this.note(`dead at chain ${head} of context ${context}, ${what}`);
    this.deaths++;
    this.isAmidMove = this.isMoving || hasSnapshot;
    this.history?.died(obituary);
  }

  private tookOver(): void {
    this.note("another one has taken over");
    this.history?.tookOver(this.isAmidMove);
  }

  /** The renderer finishes nothing for so many milliseconds. */
  private delayFences(ms: number): void {
    const renderer = this.world.renderer!;
    renderer.isStuck = true;
    this.world.supervisor.host.timers.after(ms, () => (renderer.isStuck = false));
  }

  /** The VMM reads nothing of its display for so many milliseconds. */
  private stallDisplay(ms: number): void {
    const display = this.world.guest.display!;
    if (this.stalled.has(display)) return;
    this.stalled.add(display);
    display.pause();
    this.world.supervisor.host.timers.after(ms, () => {
      this.stalled.delete(display);
      if (!display.closed) display.resume();
    });
  }

  /** A request of the VMM that comes in two pieces, with turns in between. */
  private askInPieces(chance: Chance): void {
    const { scheduler, guest } = this.world;
    const bytes = new Uint8Array(Uint32Array.of(RequestType.GET_FEATURES, Flags.version, 0).buffer);
    const cut = 1 + chance(bytes.length - 1);
    guest.frontend.sendBytes(bytes.subarray(0, cut));
    for (let turn = chance(20); turn > 0; turn--) scheduler.turn();
    guest.frontend.sendBytes(bytes.subarray(cut));
    const features = guest.frontend.receive("the features").payload.getBigUint64(0, true);
    if (features !== guest.offered) throw new Mismatch(`features are ${features}, and were ${guest.offered}`);
  }

  /** The VM stops for a while. */
  private pause(chance: Chance): void {
    const { scheduler, guest } = this.world;
    this.note("pause");
    this.history!.paused();
    pauseVm(guest, () => {
      for (let turn = chance(30); turn > 0; turn--) scheduler.turn();
    });
  }

  /** The VM goes on in another session, where that takes along what the device has. */
  private move(chance: Chance): void {
    const { scheduler, supervisor, guest } = this.world;
    const history = this.history!;
    this.note("move");
    history.paused();
    const bases = stopRings(guest);
    for (let turn = chance(30); turn > 0; turn--) scheduler.turn();
    scheduler.until(() => supervisor.areUp, 5_000);
    const { deaths } = this;
    const { isSavable } = history.present;
    const state = stateIfSaved(guest.frontend);
    if ((state !== null) !== isSavable && deaths === this.deaths)
      throw new Mismatch(
        `what there is ${isSavable ? "could" : "could not"} be saved, and was ${isSavable ? "not" : ""}`,
      );
    if (state === null) return restartRings(guest, bases);
    this.isMoving = true;
    if (chance(6) === 0) this.doomQueue(chance, 40);
    guest.reconnect(this.world.socketPath);
    // Somebody may die of it, or amid it.
    for (let tries = 0; !loadState(guest.frontend, state); tries++)
      if (tries > 2) throw new Mismatch("a state that was saved is not loaded");
    this.isMoving = false;
    this.moves++;
    history.moved();
    for (let turn = chance(30); turn > 0; turn--) scheduler.turn();
    if (chance(3) === 0) this.doomQueue(chance, 80);
    guest.start();
  }

  /** The guest's driver goes amid what it does, and another one comes. */
  private restartDriver(byReset: boolean): void {
    this.note(byReset ? "RESET_DEVICE" : "the driver stops");
    this.answers.forget();
    this.history = null;
    restartDriver(this.world.guest, byReset);
    this.begin(this.world.guest);
  }

  /** The display lies, and hangs up; another one comes. */
  private changeDisplay(chance: Chance): void {
    const { scheduler, guest } = this.world;
    this.note("another display");
    for (let lies = chance(4); lies > 0; lies--) {
      if (!guest.display!.closed) guest.display!.stream.sendBytes(anyLie(chance));
      for (let turn = chance(20); turn > 0; turn--) scheduler.turn();
    }
    guest.display!.free();
    guest.openDisplay(anyDisplay(chance));
  }

  private troubleCompositor(chance: Chance): void {
    this.note("trouble with the compositor");
    troubleClient(this.world.compositor!, chance);
  }

  /** Another device asks for what the guest has, behind all that this has sent. */
  private borrow(chance: Chance): void {
    for (const queue of this.world.guest.queues) queue.commit();
    this.note("borrow");
    this.borrowers.act(chance, this.history!);
  }

  private anyParty(chance: Chance): string {
    const all = [...this.world.supervisor.host.names, "vmm", "compositor"];
    return all[chance(all.length)]!;
  }

  /** Nothing is under way: what is shown has to be what the model says. */
  private compare(): void {
    const { scheduler, supervisor, guest, doom, compositor } = this.world;
    doom.lift();
    this.driver.finish();
    scheduler.until(() => supervisor.areUp, 5_000);
    this.driver.probe();
    this.driver.flushAll();
    scheduler.settle(200, 5_000);
    this.driver.retouch();
    scheduler.settle(200, 5_000);
    this.recordings.check();
    this.borrowers.check(this.driver.history);
    this.pixels += compareScreen(guest.display!, this.driver.model);
    this.pictures++;
    compositor?.compare(this.driver.model);
  }

  /** The VMM goes amid what it does, and another one comes. */
  private reboot(): void {
    this.answers.forget();
    this.history = null;
    this.world.hangUp();
    this.boot();
  }

  private boot(): void {
    const { chance } = this;
    const queueSizes = [[16, 64, 256][chance(3)]!, 16] as const;
    const guest = this.world.boot({
      memory,
      queueSizes,
      eventIdx: chance(2) === 0,
      indirect: chance(2) === 0,
      gpuFeatures: [Feature.EDID, Feature.VIRGL, Feature.CONTEXT_INIT, Feature.RESOURCE_BLOB],
    });
    this.begin(guest);
  }

  private begin(guest: SyntheticGuest): void {
    this.guests++;
    const { isClean = false } = this.plan;
    this.driver = new Driver(guest, this.answers, isClean, () => this.world.renderer!);
    this.history = this.driver.history;
  }
}
