// One surface: a resource's storage on loan from the ctrl queue, given back when no sink reads it.

import { createActor } from "xstate";
import { surfaceMachine } from "../../machines/surface.ts";
import type { Rect } from "../../../picture/damage.ts";

/** Its pixels can't be read by the CPU; the message says why. */
export class UnreadableSurface extends Error {}

export abstract class Surface {
  readonly id: number;
  readonly width: number;
  readonly height: number;
  /** Why it can't be shown, where it can't. */
  failure = "";
  private readonly lifecycle = createActor(surfaceMachine);

  /**
   * `released` is called once, when the surface is dropped and nothing reads it any more; its storage is let go of by
   * then.
   */
  constructor(
    { surface, width, height }: { surface: number; width: number; height: number },
    released: (surface: Surface) => void,
  ) {
    this.id = surface;
    this.width = width;
    this.height = height;
    this.lifecycle.subscribe({
      complete: () => {
        this.free();
        released(this);
      },
    });
    this.lifecycle.start();
  }

  /** Copies a rectangle to `target`, tightly packed, bytes B, G, R, X. Throws {@link UnreadableSurface}. */
  abstract copy(rect: Rect, target: Uint32Array): void;

  /** What kind of storage it is, for people. */
  abstract describe(): Record<string, unknown>;

  /** Lets go of the storage. */
  protected abstract free(): void;

  /** Whether it can be shown: its storage is there, and it is not dropped. */
  get isUsable(): boolean {
    return this.lifecycle.getSnapshot().matches("mapped");
  }

  get isStale(): boolean {
    return this.lifecycle.getSnapshot().matches({ mapped: "stale" });
  }

  contains({ x, y, width, height }: Rect): boolean {
    return width > 0 && height > 0 && x + width <= this.width && y + height <= this.height;
  }

  damaged(): void {
    if (!this.isStale) this.lifecycle.send({ type: "DAMAGE" });
  }

  /** Every sink shows its latest damage. */
  presented(): void {
    this.lifecycle.send({ type: "PRESENTED" });
  }

  /** A sink starts to read; the storage stays until it says {@link readDone}. */
  read(): void {
    this.lifecycle.send({ type: "READ" });
  }

  readDone(): void {
    this.lifecycle.send({ type: "READ_DONE" });
  }

  /** The ctrl queue wants it back. */
  drop(): void {
    this.lifecycle.send({ type: "DROP" });
  }

  /** Lets go of the storage at once, when the whole display ends and nobody waits for the release. */
  discard(): void {
    this.lifecycle.stop();
    this.free();
  }

  /** As its machine has it: a name, or of a state with states inside an object of names. */
  get state(): unknown {
    return this.lifecycle.getSnapshot().value;
  }

  /** The last step of making one: it is usable, unless `failure` says why not. */
  protected ready(failure: string): void {
    this.failure = failure;
    this.lifecycle.send({ type: failure === "" ? "MAPPED" : "MAP_FAILED" });
  }
}
