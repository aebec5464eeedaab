// The surfaces that the display has, by their ids.

import { closeFd } from "../../../transport/os/fds.ts";
import type { ActorContext } from "../../runtime/actor.ts";
import { Counter } from "../counters.ts";
import type { DisplayMessage } from "../messages.ts";
import { DmabufSurface } from "./dmabuf-surface.ts";
import { MemorySurface } from "./memory-surface.ts";
import { type Surface, SurfaceLives } from "./surface.ts";

type SurfaceMessage = Extract<
  DisplayMessage,
  { type: "add-surface" | "add-dmabuf-surface" | "add-guest-surface" }
>;

export type AnySurface = MemorySurface | DmabufSurface;

export class Surfaces {
  private readonly all = new Map<number, AnySurface>();
  /** Those of a ctrl queue that is gone, which may have given them any ids. */
  private readonly former = new Set<Surface>();
  /** Of these, the ones that are still shown. */
  private orphans: AnySurface[] = [];
  private readonly lives: SurfaceLives;

  constructor(private readonly context: ActorContext) {
    this.lives = new SurfaceLives(context.machines.surface, context.tap);
  }

  get size(): number {
    return this.all.size + this.former.size;
  }

  get(id: number): AnySurface | undefined {
    return this.all.get(id);
  }

  /** Takes over the descriptor of `message`. `isLendable`: some sink may lend it on. */
  add(message: SurfaceMessage, isLendable: boolean): void {
    // A sender that restores this display may have said it already.
    if (this.all.has(message.surface)) return closeAll(message);
    const released = (one: Surface): void => {
      if (!this.former.delete(one)) {
        this.all.delete(one.id);
        this.giveBack(one.id);
      }
      this.count();
    };
    const surface =
      message.type === "add-dmabuf-surface"
        ? new DmabufSurface(message, this.lives, released)
        : new MemorySurface(message, this.lives, released, isLendable);
    this.all.set(surface.id, surface);
    this.count();
    if (surface.isUsable) return;
    if (surface.lacksRoom) this.context.send("ctrl-queue", { type: "surface-refused", surface: surface.id });
    this.context.log.limited("error", () => `surface ${surface.id} can't be shown: ${surface.failure}`);
  }

  /** Whoever has made them is gone, and does not drop them. */
  orphan(): void {
    this.orphans.push(...this.all.values());
    for (const surface of this.all.values()) this.former.add(surface);
    this.all.clear();
  }

  get hasOrphans(): boolean {
    return this.orphans.length > 0;
  }

  /** Takes those out that nobody has to keep: `isShown` says whether one is still to be seen. */
  takeOrphans(isShown: (surface: AnySurface) => boolean): AnySurface[] {
    const gone = this.orphans.filter((one) => !isShown(one));
    if (gone.length > 0) this.orphans = this.orphans.filter(isShown);
    // One that was dropped may still be read.
    return gone.filter((one) => this.former.has(one) && !one.isDropped);
  }

  /** Tells the ctrl queue that nobody reads a surface any more. */
  giveBack(surface: number): void {
    this.context.send("ctrl-queue", { type: "surface-released", surface });
  }

  /** Lets go of all of them, the display being about to end. */
  discard(): void {
    for (const surface of [...this.all.values(), ...this.former]) surface.discard();
  }

  private count(): void {
    this.context.counters[Counter.surfaces] = this.size;
  }
}

function closeAll(message: SurfaceMessage): void {
  if ("regions" in message) message.regions.forEach(({ fd }) => closeFd(fd));
  else closeFd(message.fd);
}
