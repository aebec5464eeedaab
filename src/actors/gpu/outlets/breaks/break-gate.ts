// Break and step: commands before which the queue stops, until whoever wanted that lets it go on. Everything else goes on
// meanwhile: messages, fences, the session's requests. The guest sees a slow device.

import { type CommandFilter, type Moment, parseFilter } from "../../../command-filter.ts";
import type { BreakChanged } from "../../../inspector/messages.ts";
import type { Gate } from "../../../queue/gate.ts";
import { PARKED, type Parked } from "../../../queue/queue-handler.ts";
import type { QueueRunner } from "../../../queue/queue-runner.ts";
import type { Request } from "../../../queue/request.ts";
import type { ActorContext } from "../../../runtime/actor.ts";
import { printable } from "../../../runtime/log.ts";
import { MonotonicClock } from "../../../../transport/os/monotonic-clock.ts";
import type { Break } from "../../messages.ts";
import type { ContextTable } from "../../model/contexts.ts";
import type { Fences } from "../../model/fences.ts";
import { RememberedRequests } from "./remembered.ts";
import { bytesOf, RequestView } from "./request-view.ts";
import { milliseconds, nanoseconds } from "../../../../transport/os/clock.ts";

/** How often the fences' ages are looked at, where a break is about them, and what waits behind the one that is kept. */
const ageMs = 20;
const behindMs = 100;
/** Bytes of a request that are told. */
const toldBytesMax = 4096;

interface Known extends Break {
  test: CommandFilter;
  /** It has stopped the queue for a fence that is still out: not again for that. */
  isSpent: boolean;
}

interface Pause {
  why: BreakChanged["why"];
  sinceNs: number;
  /** Whose breaks they were: it ends when none of them is there any more. */
  holders: Set<number>;
  cause: BreakChanged["cause"];
}

export class BreakGate implements Gate {
  holds = false;
  private readonly clock = new MonotonicClock();
  private breaks: readonly Known[] = [];
  private pause: Pause | null = null;
  private kept: BreakChanged["next"] = null;
  /** Commands that may run though it is paused. */
  private steps = 0;
  /** Whether the next command runs whatever it is: it was kept before. */
  private mayPass = false;
  /** How often it has come to rest. */
  private stops = 0;
  private isUntold = false;
  private lastBehind = -1;
  private takenNs = 0;
  private readonly running: RequestView;
  /** For what is looked at while a command runs. */
  private readonly waiting: RequestView;
  private readonly remembered = new RememberedRequests();
  private cancelTick = nothing;

  constructor(
    private readonly context: ActorContext,
    private readonly queue: QueueRunner,
    private readonly fences: Fences,
    contexts: ContextTable,
  ) {
    this.running = new RequestView(context.name, contexts);
    this.waiting = new RequestView(context.name, contexts);
  }

  /** Stops at these and no others. A pause that nobody of them holds ends. */
  set(wanted: readonly Break[]): void {
    const before = this.breaks;
    this.breaks = wanted.map(({ holder, filter }) => {
      const known = before.find((one) => one.holder === holder && one.filter === filter);
      return known ?? { holder, filter, test: parseFilter(filter), isSpent: false };
    });
    if (this.pause !== null && !this.breaks.some(({ holder }) => this.pause!.holders.has(holder))) {
      this.resume();
      // Nobody has let the command that was kept pass: it may be what another break is for.
      this.mayPass = false;
    } else this.tell();
    this.tick();
  }

  /** Lets `count` commands run, and stops again. */
  step(count: number): void {
    if (this.pause === null) return;
    this.steps = count;
    this.pause.why = "step";
    this.pause.cause = null;
    this.letGo();
    this.tell();
  }

  /** Goes on. */
  resume(): void {
    const { pause } = this;
    if (pause === null) return;
    const ms = Math.round((this.clock.now() - pause.sinceNs) / 1e6);
    this.context.log.info(`the ctrl queue goes on, after ${ms} ms`);
    this.mayPass = this.holds;
    this.letGo();
    this.pause = null;
    this.steps = 0;
    this.tell();
  }

  admits(request: Request, bytes: number): boolean {
    const number = ((this.context.tap?.last ?? 0) + 1) >>> 0 || 1;
    const command = this.running.of(request.words, request.length, number);
    if (this.pause === null && !this.mayPass) {
      const found = this.first("before", command);
      if (found !== null) this.stop(found, command);
    }
    this.mayPass = false;
    if (this.pause !== null) {
      if (this.steps === 0) return this.keep(request, bytes, number);
      if (--this.steps === 0) this.rest();
    }
    this.takenNs = nanoseconds();
    return true;
  }

  ran(type: number): void {
    if (type === PARKED) return;
    this.running.ranNs = nanoseconds() - this.takenNs;
    this.judge(this.running, type);
  }

  parked(parked: Parked): void {
    const { request } = this.queue;
    this.remembered.keep(parked, request.words, request.length, this.running.number, this.takenNs);
  }

  completed(parked: Parked, type: number): void {
    this.judge(this.remembered.look(parked, this.waiting), type);
    this.remembered.forget(parked);
  }

  /** The ring is empty, or nothing of it may run. */
  idle(): void {
    if (this.isUntold) this.tell();
  }

  /** The ring has stopped, and with it what was kept. */
  ringStopped(): void {
    this.mayPass = false;
    if (!this.holds) return;
    this.letGo();
    this.tell();
  }

  close(): void {
    this.cancelTick();
    this.clock.close();
  }

  private first(moment: Moment, command: RequestView): Known | null {
    const { breaks } = this;
    for (let index = 0; index < breaks.length; index++) {
      const one = breaks[index]!;
      if (one.test.moment === moment && !one.isSpent && one.test.holds(command)) return one;
    }
    return null;
  }

  /** Stops before the next command if a break holds for this one, now that it has its answer. */
  private judge(command: RequestView, response: number): void {
    if (this.pause !== null) return;
    command.response = response;
    const found = this.first("answer", command);
    if (found !== null) this.stop(found, command);
  }

  /** Stops if a break holds for a command that waits for its fence. */
  private judgeWaiting(): void {
    const now = milliseconds();
    for (const one of this.breaks) {
      if (one.test.moment !== "wait") continue;
      let isOut = false;
      for (const { parked, since } of this.fences.waiting()) {
        this.remembered.look(parked!, this.waiting);
        this.waiting.waitedNs = (now - since) * 1e6;
        if (!one.test.holds(this.waiting)) continue;
        isOut = true;
        if (this.pause === null && !one.isSpent) this.stop(one, this.waiting);
      }
      one.isSpent = isOut;
    }
    if (this.isUntold) this.tell();
  }

  /** Stops for `command`: before it runs, or because of what became of it. */
  private stop({ filter, test: { moment } }: Known, command: RequestView): void {
    // Others who have the same break hold it as well.
    const holders = this.breaks.filter((one) => one.filter === filter).map(({ holder }) => holder);
    const isBefore = moment === "before";
    const { number, response, waitedNs } = command;
    const cause = isBefore ? null : { number, request: command.bytes(), response, waitedNs };
    this.pause = { why: moment, sinceNs: this.clock.now(), holders: new Set(holders), cause };
    const where = `${isBefore ? "before" : "after"} ${command.type}`;
    this.context.log.info(`the ctrl queue is paused ${where}, by the break "${printable(filter)}"`);
    this.rest();
    this.tick();
  }

  private rest(): void {
    this.stops++;
    this.isUntold = true;
  }

  private keep(request: Request, bytes: number, number: number): false {
    if (this.holds) return false;
    this.holds = true;
    this.kept = { number, bytes, request: bytesOf(request.words, Math.min(request.length, toldBytesMax)) };
    this.isUntold = true;
    return false;
  }

  private letGo(): void {
    this.holds = false;
    this.kept = null;
  }

  private tick(): void {
    this.cancelTick();
    const isAboutAges = this.breaks.some(({ test }) => test.moment === "wait");
    if (!isAboutAges && this.pause === null) return void (this.cancelTick = nothing);
    this.cancelTick = this.context.timers.after(isAboutAges ? ageMs : behindMs, () => {
      if (isAboutAges) this.judgeWaiting();
      if (this.pause !== null && this.behind() !== this.lastBehind) this.tell();
      this.tick();
    });
  }

  /** Commands that wait behind the one that is kept. */
  private behind(): number {
    const ring = this.queue.served;
    if (ring === null) return 0;
    return Math.max(0, ((ring.offered() - ring.position) & 0xffff) - (this.holds ? 1 : 0));
  }

  private tell(): void {
    this.isUntold = false;
    const { pause, stops, steps, kept } = this;
    this.lastBehind = this.behind();
    this.context.send("inspector", {
      type: "break-changed",
      ...{ isPaused: pause !== null, stops, steps, why: pause?.why ?? "before" },
      ...{ sinceNs: pause?.sinceNs ?? 0, holders: [...(pause?.holders ?? [])] },
      ...{ next: kept, behind: this.lastBehind, cause: pause?.cause ?? null },
    });
  }
}

const nothing = (): void => undefined;
