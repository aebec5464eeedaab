// One actor's tap, as the inspector reads it. A process that a guest has taken over may have written anything there: what is counted
// has an end, and what is named may be nothing.

import type { NativeMemory } from "../../transport/os/native-memory.ts";
import type { LifecycleTables } from "../machines/index.ts";
import type { CompiledMachine } from "../machines/table.ts";
import type { ActorName } from "../registry.ts";
import {
  countsAt,
  countsMax,
  Head,
  headerBytes,
  machinesMax,
  machineWords,
  namesAt,
  recordsMax,
  recordWords,
  tapBytes,
} from "../runtime/tap/layout.ts";
import { NameTable } from "../runtime/tap/names.ts";
import { untoldIn } from "../runtime/tap/thinning.ts";

/** A machine, and how often each event came in each state of it: `counts[state * events + event]`. */
export interface Counted {
  machine: CompiledMachine;
  counts: Uint32Array;
}

export class TapReader {
  readonly names: NameTable;
  private readonly head: Uint32Array;
  private readonly untold: Float64Array;
  private readonly times: Float64Array;
  private readonly counts: Uint32Array;
  private readonly ring: Uint32Array;
  private marked = 0;
  private begun: number;

  /** `area` has the taps of all; `slot` is the actor's. */
  constructor(
    area: NativeMemory,
    readonly actor: ActorName,
    readonly slot: number,
    private readonly tables: LifecycleTables,
  ) {
    const at = slot * tapBytes;
    this.names = new NameTable(area, at);
    this.head = new Uint32Array(area.view(at, namesAt));
    this.untold = untoldIn(this.head);
    this.times = new Float64Array(area.view(at, namesAt));
    this.counts = new Uint32Array(area.view(at + countsAt, countsMax * 4));
    this.ring = new Uint32Array(area.view(at + headerBytes, recordsMax * recordWords * 4));
    this.begun = this.head[Head.begun]!;
  }

  /** Has the actor write from its next turn on, or no longer. */
  switch(isOn: boolean): void {
    const { head } = this;
    // What a predecessor of ours did not take is old.
    if (isOn) Atomics.store(head, Head.taken, Atomics.load(head, Head.written));
    Atomics.store(head, Head.on, isOn ? 1 : 0);
  }

  /** Has the actor tell of every sleep, or no longer. */
  hearSleeps(isWanted: boolean): void {
    Atomics.store(this.head, Head.sleeps, isWanted ? 1 : 0);
  }

  get dropped(): number {
    return this.head[Head.dropped]!;
  }

  /** How many commands were not told since there were so many, of a kind as thinning.ts has it. */
  untoldOf(kind: number): number {
    const count = this.untold[kind]!;
    return count >= 0 && count <= Number.MAX_SAFE_INTEGER ? count : 0;
  }

  get untoldInAll(): number {
    return this.untold.reduce((sum, _, kind) => sum + this.untoldOf(kind), 0);
  }

  /** The thread of the actor, 0 where it was not there yet. */
  get thread(): number {
    return this.head[Head.thread]!;
  }

  /** The end of what is written by now, up to which {@link take} goes. */
  mark(): void {
    this.marked = Atomics.load(this.head, Head.written);
  }

  /**
   * Calls `visit` with each new record's first word in `ring`, and gives their room back. Calls `succeed` between those of an
   * actor that has died and its successor's. Returns how many there were.
   */
  take(visit: (ring: Uint32Array, at: number) => void, succeed: () => void): number {
    const { head, ring, marked: written } = this;
    const begun = Atomics.load(head, Head.begun);
    const last = head[Head.taken]!;
    // There are never more.
    const taken = (written - last) >>> 0 > recordsMax ? (written - recordsMax) >>> 0 : last;
    for (let number = taken; ; number = (number + 1) >>> 0) {
      if (number === begun && begun !== this.begun) {
        this.begun = begun;
        succeed();
      }
      if (number === written) break;
      visit(ring, (number & (recordsMax - 1)) * recordWords);
    }
    Atomics.store(head, Head.taken, written);
    Atomics.add(head, Head.looks, 1);
    return (written - taken) >>> 0;
  }

  /** The number of the last message that was sent to the actor of `slot`, and of the last that was taken from it. */
  sentTo(slot: number): number {
    return this.head[Head.sentTo + slot]!;
  }

  takenFrom(slot: number): number {
    return this.head[Head.takenFrom + slot]!;
  }

  /** How often the actor has slept, and so was woken, modulo 2^32. */
  get naps(): number {
    return this.head[Head.naps]!;
  }

  /** Nanoseconds of sleep so far, the one that goes on at `now` included. */
  sleptUntil(now: number): number {
    const since = this.times[Head.asleepSince / 2]!;
    return this.times[Head.sleptNs / 2]! + (since === 0 ? 0 : Math.max(0, now - since));
  }

  /** The machine of that number, null where there is none. */
  machine(number: number): CompiledMachine | null {
    if (number >= this.machineCount) return null;
    const name = this.names.nameOf(this.head[Head.machineTable + number * machineWords]!);
    return Object.hasOwn(this.tables, name) ? this.tables[name as keyof LifecycleTables] : null;
  }

  /** Every machine whose lives the actor moves on. */
  machines(): Counted[] {
    return Array.from({ length: this.machineCount }, (_, number) => number).flatMap((number) => {
      const machine = this.machine(number);
      if (machine === null) return [];
      const [, first, cells] = this.head.subarray(Head.machineTable + number * machineWords);
      return [{ machine, counts: this.counts.slice(first, first! + cells!) }];
    });
  }

  private get machineCount(): number {
    return Math.min(this.head[Head.machines]!, machinesMax);
  }
}
