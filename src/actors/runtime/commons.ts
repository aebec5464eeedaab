// What actors share beside their lines: words, bells and areas, made by whoever hosts them.

import type { NativeMemory } from "../../transport/os/native-memory.ts";
import { closeFd, createEventfd, emptyEventfd } from "../../transport/os/fds.ts";
import { type AreaName, areaNames, manifestOf, type WorkerName } from "../registry.ts";
import { SharedAreas } from "./shared-areas.ts";
import { SharedWords, slotOf } from "./shared-words.ts";
import type { ActorStart } from "./start.ts";
import { OuterTap } from "./outer-tap.ts";

export class Commons {
  readonly words: SharedWords;
  readonly bellFds: Record<string, number> = {};
  private readonly areas: SharedAreas;
  /** Of those that have a process of their own, where there are taps. */
  private readonly outerTaps = new Map<WorkerName, OuterTap>();

  /** `names` are all actors that there may be, `outside` those that have a process of their own. */
  constructor(names: readonly WorkerName[], outside: readonly WorkerName[]) {
    this.words = SharedWords.create(outside.map(slotOf));
    for (const name of names) this.bellFds[name] = createEventfd();
    this.areas = new SharedAreas(names.flatMap((name) => Object.keys(manifestOf[name].areas) as AreaName[]));
    const taps = this.areas.memoryOf.get("taps");
    if (taps === undefined) return;
    for (const name of outside) this.outerTaps.set(name, new OuterTap(taps, slotOf(name)));
  }

  /** Where taps lie; -1 where nobody will ever read them. */
  get tapsFd(): number {
    return this.areas.fds["taps"] ?? -1;
  }

  /** An area, such as to put something there before there is an actor. */
  area(name: AreaName): NativeMemory {
    return this.areas.memoryOf.get(name)!;
  }

  /** What of it an actor is given when it starts. */
  startOf(name: WorkerName): Pick<ActorStart, "words" | "tapsFd" | "bellFds" | "areaFds" | "areaPlaces"> {
    const { words, bellFds, areas, outerTaps } = this;
    const tapsFd = outerTaps.get(name)?.fd ?? this.tapsFd;
    // Those of all are read by a thread.
    const { taps: _, ...areaFds } = areas.fds;
    return { words: words.place, tapsFd, bellFds, areaFds, areaPlaces: areas.places };
  }

  /**
   * Forgets all that an actor could write that has ended: what has it begins anew, but for the areas in `kept`; its tap goes on. Everybody has to be
   * woken then, since it may have written to bells.
   */
  renew(name: WorkerName, kept: readonly AreaName[]): void {
    this.areas.renew(areaNames.filter((area) => area !== "taps" && !kept.includes(area)));
    this.outerTaps.get(name)?.renew();
    this.words.renew(slotOf(name));
    for (const fd of Object.values(this.bellFds)) emptyEventfd(fd);
  }

  /** Lets go of the descriptors, and of the areas, but where there are actors that did not stop and may still see them. */
  close(isOver: boolean): void {
    for (const fd of Object.values(this.bellFds)) closeFd(fd);
    for (const tap of this.outerTaps.values()) tap.close();
    this.areas.close(isOver);
  }
}
