// One surface: a resource's storage on loan from the ctrl queue, given back when no sink reads it.

import type { LifecycleTables } from "../../machines/index.ts";
import { Entity, Lifecycle } from "../../machines/lifecycle.ts";
import { isInside, type Rect } from "../../../picture/damage.ts";

/** Its pixels can't be read by the CPU; the message says why. */
export class UnreadableSurface extends Error {}

/** The life of all surfaces: who moves one on. */
export class SurfaceLives extends Lifecycle<LifecycleTables["surface"]["events"][number]> {
  readonly is = {
    mapped: this.statesWith("mapped"),
    stale: this.statesWith("stale"),
    dropped: this.statesWith("dropped"),
    released: this.statesWith("released"),
  };
  readonly events = {
    mapped: this.event("MAPPED"),
    mapFailed: this.event("MAP_FAILED"),
    damage: this.event("DAMAGE"),
    presented: this.event("PRESENTED"),
    read: this.event("READ"),
    readDone: this.event("READ_DONE"),
    drop: this.event("DROP"),
  };
}

export abstract class Surface extends Entity {
  override readonly id: number;
  readonly width: number;
  readonly height: number;
  /** Why it can't be shown, where it can't. */
  failure = "";
  /** Whether that is for want of room, which there may be later. */
  lacksRoom = false;
  /** Sinks with a frame of it under way. */
  private readers = 0;

  /**
   * `released` is called once, when the surface is dropped and nothing reads it any more; its storage is let go of by
   * then.
   */
  constructor(
    { surface, width, height }: { surface: number; width: number; height: number },
    private readonly lives: SurfaceLives,
    private readonly released: (surface: Surface) => void,
  ) {
    super();
    this.id = surface;
    this.width = width;
    this.height = height;
  }

  /** Copies a rectangle to `target`, tightly packed, bytes B, G, R, X. Throws {@link UnreadableSurface}. */
  abstract copy(rect: Rect, target: Uint32Array): void;

  /** What kind of storage it is, for people. */
  abstract describe(): Record<string, unknown>;

  /** Lets go of the storage. */
  protected abstract free(): void;

  /** Whether it can be shown: its storage is there, and it is not dropped. */
  get isUsable(): boolean {
    return this.lives.isIn(this, this.lives.is.mapped);
  }

  /** Whether it was dropped while somebody reads it. */
  get isDropped(): boolean {
    return this.lives.isIn(this, this.lives.is.dropped);
  }

  get isStale(): boolean {
    return this.lives.isIn(this, this.lives.is.stale);
  }

  contains(rect: Rect): boolean {
    return rect.width > 0 && rect.height > 0 && isInside(rect, this);
  }

  damaged(): void {
    this.take(this.lives.events.damage);
  }

  /** Every sink shows its latest damage. */
  presented(): void {
    this.take(this.lives.events.presented);
  }

  /** A sink starts to read; the storage stays until it says {@link readDone}. */
  read(): void {
    if (this.readers++ === 0) this.take(this.lives.events.read);
  }

  readDone(): void {
    if (--this.readers === 0) this.take(this.lives.events.readDone);
  }

  /** The ctrl queue wants it back. */
  drop(): void {
    this.take(this.lives.events.drop);
  }

  /** Lets go of the storage at once, when the whole display ends and nobody waits for the release. */
  discard(): void {
    this.free();
  }

  /** As its machine has it, for people. */
  get stateName(): string {
    return this.lives.nameOf(this);
  }

  /** The last step of making one: it is usable, unless `failure` says why not. */
  protected ready(failure: string): void {
    this.failure = failure;
    const { events } = this.lives;
    this.take(failure === "" ? events.mapped : events.mapFailed);
  }

  private take(event: number): void {
    const { lives } = this;
    lives.take(this, event);
    if (!lives.isIn(this, lives.is.released)) return;
    this.free();
    this.released(this);
  }
}
