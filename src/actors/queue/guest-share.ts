// The guest's memory as the session shares it, and the log of its dirty pages: mapped anew without a view left behind.

import { asRefusal } from "../../transport/os/errors.ts";
import { closeFd } from "../../transport/os/fds.ts";
import { DirtyLog } from "../../transport/virtio/dirty-log.ts";
import type { MemoryMap, MemoryRegion } from "../../transport/virtio/memory-map.ts";
import type { Ring } from "../../transport/virtio/ring.ts";
import type { Log } from "../runtime/log.ts";
import type { QueueHandler } from "./queue-handler.ts";

export class GuestShare {
  constructor(
    private readonly memory: MemoryMap,
    private readonly handler: QueueHandler,
    private readonly log: Log,
  ) {}

  /** Maps `regions` and no others, and closes their descriptors. Throws a {@link Refusal}, with nothing changed, as the map does. */
  replace(regions: readonly MemoryRegion[], ring: Ring | null): void {
    // No view may outlive the mapping under it.
    ring?.publish();
    ring?.detach();
    this.handler.memoryChanging?.(this.memory.vanishing(regions));
    try {
      this.memory.replace(regions);
    } finally {
      for (const region of regions) closeFd(region.fd);
      this.handler.memoryChanged?.();
    }
    try {
      ring?.attach();
    } catch (error) {
      // quirks.qemuReplacesRegionsInTwoSteps
      const why = asRefusal(error);
      this.log.guest(() => `the ring waits for its memory: ${why.message}`);
    }
  }

  /** Records dirty pages in `fd`, which is closed; -1 ends that. */
  logAt(fd: number, offset: number, size: number): void {
    this.memory.dirtyLog?.unmap();
    this.memory.dirtyLog = null;
    if (fd < 0) return;
    try {
      this.memory.dirtyLog = new DirtyLog(fd, offset, size);
    } finally {
      closeFd(fd);
    }
  }

  close(): void {
    this.handler.memoryChanging?.(this.memory.vanishing([]));
    this.memory.clear();
    this.memory.dirtyLog?.unmap();
    this.memory.dirtyLog = null;
  }
}
