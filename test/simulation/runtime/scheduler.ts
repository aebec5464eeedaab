// Who has the next turn, by a seed, and the time that goes by meanwhile: many actors in one thread.
//
// Time stands still while anybody has something to do, but for what a look at the clock takes. When nobody has, it leaps to
// when somebody will.

import { type Clock } from "../../../src/transport/os/clock.ts";
import type { Chance } from "../../../lab/fuzz/chance.ts";

/** Whoever has turns. */
export interface Party {
  readonly name: string;
  /** Does what there is to do now; returns whether that was anything. */
  step(): boolean;
  /** Milliseconds until it has something to do by itself; -1 where it never has. */
  dueMs(): number;
}

/** What a look at the clock takes, so that nobody looks at it for ever. */
const lookNs = 500;
/** Turns without an end are a fault: nothing takes so many. */
const turnsMax = 1_000_000;

/** Everybody waits for somebody else, or runs without an end. */
class Stuck extends Error {
  override name = "Stuck";
}

export class Scheduler implements Clock {
  /** How many turns were had. */
  turns = 0;
  /** Is told whose turn it was, and when. */
  onTurn: (name: string, atNs: number) => void = () => {};
  private readonly parties: Party[] = [];
  /** Those whose turn goes on, of which each waits for the next. */
  private readonly busy = new Set<Party>();
  /** When those have a turn again that are held up, in nanoseconds. */
  private readonly held = new Map<string, number>();
  private ns = 0;
  /** Whose turn it is, the one that has begun last. */
  private turning: Party | null = null;

  constructor(private readonly chance: Chance) {}

  nanoseconds(): number {
    return (this.ns += lookNs);
  }

  isTurnOf(name: string): boolean {
    return this.turning?.name === name;
  }

  /** The time, without a look at the clock. */
  get atNs(): number {
    return this.ns;
  }

  pause(ms: number): void {
    const end = this.ns + ms * 1e6;
    this.until(() => this.ns >= end, ms);
  }

  add(party: Party): void {
    this.parties.push(party);
  }

  remove(party: Party): void {
    this.parties.splice(this.parties.indexOf(party), 1);
    this.held.delete(party.name);
  }

  /** `name` has no turn for `ms`, as one that its host does not run, or that waits for something slow. */
  hold(name: string, ms: number): void {
    this.held.set(name, this.ns + ms * 1e6);
  }

  /** Gives turns until `happened`, or for `timeoutMs`; returns whether it did. Throws {@link Stuck}. */
  until(happened: () => boolean, timeoutMs: number): boolean {
    const end = this.ns + timeoutMs * 1e6;
    for (let count = 0; !happened(); count++) {
      if (this.ns >= end) return false;
      if (count > turnsMax) throw new Stuck(`no end after ${turnsMax} turns`);
      if (!this.turn()) this.leap(end);
    }
    return true;
  }

  /** Gives turns until nobody has anything to do before `quietMs` have gone by, but no more than `mostMs`. */
  settle(quietMs: number, mostMs: number): void {
    const end = this.ns + mostMs * 1e6;
    while (this.ns < end) {
      while (this.turn()) if (this.ns >= end) return;
      if (this.nextNs() > this.ns + quietMs * 1e6) return;
      this.leap(end);
    }
  }

  /** One turn of somebody who has something to do; returns whether there was such a one. */
  turn(): boolean {
    const { length } = this.parties;
    const first = length === 0 ? 0 : this.chance(length);
    for (let step = 0; step < length; step++) {
      const party = this.parties[(first + step) % length];
      if (party === undefined || this.busy.has(party) || this.isHeld(party)) continue;
      if (this.run(party)) return true;
    }
    return false;
  }

  private run(party: Party): boolean {
    const outer = this.turning;
    this.turning = party;
    this.busy.add(party);
    try {
      if (!party.step()) return false;
    } finally {
      this.busy.delete(party);
      this.turning = outer;
    }
    this.turns++;
    this.onTurn(party.name, this.ns);
    return true;
  }

  private isHeld({ name }: Party): boolean {
    const until = this.held.get(name);
    if (until === undefined) return false;
    if (this.ns < until) return true;
    this.held.delete(name);
    return false;
  }

  /** Nobody has anything to do now. */
  private leap(end: number): void {
    this.ns = Math.max(this.ns + lookNs, Math.min(end, this.nextNs()));
  }

  private nextNs(): number {
    let next = Infinity;
    for (const party of this.parties) {
      if (this.busy.has(party)) continue;
      const ms = party.dueMs();
      const due = ms < 0 ? Infinity : this.ns + ms * 1e6;
      // One that was held up has not been looked at since, also where that has just ended.
      next = Math.min(next, this.held.get(party.name) ?? due);
    }
    return next;
  }
}
