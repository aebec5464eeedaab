// What a host makes for its actors: an eventfd a doorbell, and a memfd an area that a manifest names.

import { closeFd, createEventfd, createMemfd } from "../../transport/os/fds.ts";
import { NativeMemory } from "../../transport/os/native-memory.ts";
import { type AreaName, areas, manifestOf, type WorkerName } from "../registry.ts";

export class SharedFiles {
  readonly bellFds: Record<string, number> = {};
  readonly areaFds: Record<string, number> = {};

  /** Those of all actors that there are, and that may come later. */
  constructor(names: readonly WorkerName[]) {
    for (const name of names) {
      this.bellFds[name] = createEventfd();
      for (const [area, bytes] of Object.entries(manifestOf[name].areas))
        this.areaFds[area] = createMemfd(`fencepost-${area}`, bytes);
    }
  }

  /** Maps an area, such as to put something there before there is an actor; the caller unmaps it. */
  area(name: AreaName): NativeMemory {
    return NativeMemory.mapShared(this.areaFds[name]!, 0, areas[name], "write");
  }

  close(): void {
    for (const fd of Object.values({ ...this.bellFds, ...this.areaFds })) closeFd(fd);
  }
}
