// The one place where a state changes: may this happen to that entity, and now it has. Compiled tables lie underneath, so
// that neither costs more than an array read.

import type { Tap } from "../runtime/tap/tap.ts";
import { type CompiledMachine, errorCodeOf, eventIndex, isRefused, statesWith } from "./table.ts";

/** Whatever has a life. Every machine begins at state 0; {@link Lifecycle} alone moves on. */
export abstract class Entity {
  /** An index into the machine's table. */
  readonly state: number = 0;
  /** What people tell it from others by. */
  readonly id: number = 0;
}

/** What is not there. */
const absent = { state: 0, id: 0 };

type Moved = { -readonly [Key in keyof Entity]: Entity[Key] };

/** The life of all entities of one kind. */
export class Lifecycle<Event extends string = string> {
  private readonly next: Uint8Array;
  /** Events, which are as many as a state has bytes in the table. */
  private readonly width: number;
  /** The machine's number for the tap, and how often each event came in each state; null where nobody is to know. */
  private readonly tapped: number;
  private readonly counts: Uint32Array | null;

  constructor(
    private readonly machine: CompiledMachine<Event>,
    private readonly tap: Tap | null = null,
  ) {
    this.next = machine.next;
    this.width = machine.events.length;
    this.tapped = tap === null ? -1 : tap.machine(machine.name, this.next.length, this.width);
    this.counts = tap === null ? null : tap.countsOf(this.tapped);
  }

  /** The number of an event, to be looked up once at start. Throws on a name that the machine does not have. */
  event(name: NoInfer<Event>): number {
    return eventIndex(this.machine, name);
  }

  /** A byte for each state: 1 where its name has all of `parts`, for {@link isIn}. To be made once at start. */
  statesWith(...parts: string[]): Uint8Array {
    return statesWith(this.machine, ...parts);
  }

  isIn(entity: Entity, states: Uint8Array): boolean {
    return states[entity.state] === 1;
  }

  /** A state's name, for people. */
  nameOf(entity: Entity): string {
    return this.machine.states[entity.state]!;
  }

  /**
   * Whether the event may happen: returns 0, or the virtio error code that it earns (§5.7.6.7). What is not there yet, or
   * no longer, is undefined, and in the state in which the machine begins.
   */
  may(entity: Entity | undefined, event: number): number {
    const next = this.next[(entity === undefined ? 0 : entity.state * this.width) + event]!;
    return isRefused(next) ? this.refusalOf(entity, event, next) : 0;
  }

  /** Whether the event may happen, asked by ourselves: nobody is refused. */
  can(entity: Entity, event: number): boolean {
    return !isRefused(this.next[entity.state * this.width + event]!);
  }

  /** The event has happened. Only what {@link may} allowed can: anything else is a bug, and thrown. */
  take(entity: Entity, event: number): void {
    const cell = entity.state * this.width + event;
    const next = this.next[cell]!;
    if (isRefused(next)) this.refuse(entity, event);
    if (this.counts !== null) {
      this.counts[cell]!++;
      if (next !== entity.state) this.note(entity, event, next);
    }
    (entity as Moved).state = next;
  }

  /** The entity's life is over, and its object begins another one. */
  renew(entity: Entity): void {
    (entity as Moved).state = 0;
  }

  /** A refusal's code. */
  private refusalOf(entity: Entity | undefined, event: number, refusal: number): number {
    const { state, id } = entity ?? absent;
    if (this.counts !== null) this.counts[state * this.width + event]!++;
    if (this.tap !== null) this.tap.lifecycle(this.tapped, state, event, refusal, id, true);
    return errorCodeOf(refusal);
  }

  /** Apart from {@link take}, which is to stay small enough to be compiled into its callers. */
  private note({ state, id }: Entity, event: number, next: number): void {
    this.tap!.lifecycle(this.tapped, state, event, next, id, false);
  }

  private refuse(entity: Entity, event: number): never {
    const { name, events } = this.machine;
    throw new Error(`${events[event]} of a ${name} that is ${this.nameOf(entity)}`);
  }
}
