// Memory that actors share by name, as their manifests ask for it. This process maps each area once, for all of its threads: so new
// memory can take the place of an area for all of them at once.

import { closeFd, createMemfd } from "../../transport/os/fds.ts";
import { NativeMemory } from "../../transport/os/native-memory.ts";
import { type AreaName, areas } from "../registry.ts";

export class SharedAreas {
  private readonly fdOf: Partial<Record<AreaName, number>> = {};
  /** As this process has them. */
  readonly memoryOf = new Map<AreaName, NativeMemory>();

  constructor(names: readonly AreaName[]) {
    for (const name of names) {
      const fd = memfdFor(name);
      this.fdOf[name] = fd;
      this.memoryOf.set(name, NativeMemory.mapShared(fd, 0, areas[name], "write"));
    }
  }

  /** What a process is given of them. */
  get fds(): Record<string, number> {
    return this.fdOf;
  }

  /** Where they are, in this process. */
  get places(): Record<string, number> {
    return Object.fromEntries(Array.from(this.memoryOf, ([name, { address }]) => [name, address]));
  }

  /**
   * Puts new, empty memory in the place of those of `names` that there are: whoever has a descriptor of the old one, or maps it in
   * another process, sees nothing of the new.
   */
  renew(names: readonly AreaName[]): void {
    // All of it is there before any of it is used.
    const fresh = names.filter((name) => name in this.fdOf).map((name) => [name, memfdFor(name)] as const);
    for (const [name, fd] of fresh) {
      this.memoryOf.get(name)!.replaceShared(fd);
      closeFd(this.fdOf[name]!);
      this.fdOf[name] = fd;
    }
  }

  /** Lets go of the descriptors; and of the memory, where no actor uses it any more. */
  close(isOver: boolean): void {
    for (const fd of Object.values(this.fdOf)) closeFd(fd);
    if (isOver) for (const memory of this.memoryOf.values()) memory.unmap();
  }
}

const memfdFor = (name: AreaName): number => createMemfd(`fencepost-${name}`, areas[name]);
