// Whether a server is as well after a batch as it was before: it runs, answers, has crashed nowhere, holds what it held,
// and serves a guest.

import { Pump } from "../driver/pump.ts";
import type { ServerProcess } from "../vmm/server-process.ts";
import { VhostUserFrontend } from "../vmm/vhost-user-frontend.ts";
import { tryGuest } from "./sane-guest.ts";
import { patienceMs } from "./target.ts";

/** What a log has of an actor that crashed, or of an exception. */
const trouble = /\bcrashed: |^\s+at .*:\d+:\d+\)?$|\b(?:Type|Range|Reference|Syntax|Assertion)Error\b/;
/** What a C library's death in its own process looks like: a signal, or a call without end. */
const died =
  /\bctrl-queue: crashed: (?:ended by SIG(?:SEGV|ABRT|BUS|ILL|FPE|TRAP)|ended, since it was inside of one call)/;
/** What comes and goes: a thread of Mesa's, a socket that is being closed. */
const slack = { fds: 6, mappings: 12 };
/** How long what was closed may take to go. */
const settleMs = 4_000;
const noticeMs = 1_000;
/** Looks after which it is known what a server holds: one at a new server, and one after a batch. */
const looksToKnow = 2;
const exitActorLost = 3;
/** Looks without a change, after which it is said to hold what it does. */
const calmLooks = 4;

export interface Illness {
  readonly what: string;
  /** Whether the renderer has died so often of what it was sent that the device has ended in order, as it should. */
  readonly isRenderer: boolean;
}

interface Holdings {
  fds: number;
  mappings: number;
}

export class Health {
  /** What the log says of each death of the renderer. */
  readonly deaths: string[] = [];
  private before: Holdings | null = null;
  private logRead = 0;
  private looks = 0;

  constructor(
    private readonly server: ServerProcess,
    private readonly reachesRenderer: boolean,
  ) {}

  /** Returns what is wrong, or null. The first two looks say what the server holds when it is well. */
  async look(): Promise<Illness | null> {
    const { server } = this;
    if (server.exitCode !== null) return this.ended(server.exitCode);
    const said = this.trouble();
    if (said !== null) return said;
    const unwell = tryGuest(server.socketPath, this.looks++) ?? (await this.silent());
    if (unwell !== null) {
      // A process's end is known a moment after it.
      await Promise.race([server.exited, Bun.sleep(noticeMs)]);
      return server.exitCode === null ? found(unwell) : this.ended(server.exitCode);
    }
    return this.trouble() ?? (await this.held());
  }

  private ended(code: number): Illness {
    const said = this.trouble();
    const isRenderer = said === null && this.deaths.length > 0 && code === exitActorLost;
    return { isRenderer, what: said?.what ?? `the server ended with code ${code}` };
  }

  /** What the log says that it should not. The renderer may die, where that is all that is lost. */
  private trouble(): Illness | null {
    const log = this.server.log();
    const lines = log.slice(this.logRead).split("\n");
    this.logRead = log.length;
    if (this.reachesRenderer) this.deaths.push(...lines.filter((line) => died.test(line)));
    const line = lines.find((one) => trouble.test(one) && !(this.reachesRenderer && died.test(one)));
    return line === undefined ? null : found(line.trim());
  }

  private async silent(): Promise<string | null> {
    try {
      const { ok } = await this.server.control({ command: "status" }, patienceMs);
      return ok ? null : "ctl status was refused";
    } catch (error) {
      // Whatever it is, a server that is well answers.
      return `ctl status: ${(error as Error).message}`;
    }
  }

  /** The process that served the last guest ends with it: who is answered has the next one, and no guest that it would end with. */
  private async held(): Promise<Illness | null> {
    const pump = new Pump(patienceMs);
    try {
      const frontend = VhostUserFrontend.connect(this.server.socketPath, pump);
      try {
        frontend.getFeatures();
        return await this.leaks();
      } finally {
        frontend.close();
      }
    } catch (error) {
      // Whatever it is: a server that is well answers a front-end.
      return found(`a front-end: ${(error as Error).message}`);
    } finally {
      pump.close();
    }
  }

  /** More than before counts only when it stays. */
  private async leaks(): Promise<Illness | null> {
    const { before } = this;
    let now = this.holdings();
    // What a door needs that was opened once, such as an actor that comes when it is asked for, is there after the first batch.
    if (before === null || this.looks <= looksToKnow) {
      this.before = await this.settled();
      return null;
    }
    const isMore = (): boolean =>
      now.fds > before.fds + slack.fds || now.mappings > before.mappings + slack.mappings;
    for (const deadline = performance.now() + settleMs; isMore() && performance.now() < deadline;) {
      await Bun.sleep(50);
      now = this.holdings();
    }
    if (!isMore()) return null;
    return found(
      `the server holds ${now.fds} descriptors and ${now.mappings} shared mappings; it was ${before.fds} and ${before.mappings}`,
    );
  }

  /** What it holds once nothing is on its way out any more. */
  private async settled(): Promise<Holdings> {
    let least = this.holdings();
    for (let calm = 0; calm < calmLooks; calm++) {
      await Bun.sleep(50);
      const { fds, mappings } = this.holdings();
      if (fds < least.fds || mappings < least.mappings) calm = 0;
      least = { fds: Math.min(fds, least.fds), mappings: Math.min(mappings, least.mappings) };
    }
    return least;
  }

  private holdings(): Holdings {
    const { fds, sharedMappings: mappings } = this.server.usage();
    return { fds, mappings };
  }
}

const found = (what: string): Illness => ({ what, isRenderer: false });
