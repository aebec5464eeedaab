// A guest's memory and a device's map of it, in one process.

import { GuestMemory, type GuestRegion, type RegionLayout } from "../../lab/driver/guest-memory.ts";
import { MemoryMap, type MemoryRegion } from "../../src/transport/virtio/memory-map.ts";

/** The regions as a vhost session names them; ids follow the order, and `fd` still belongs to the guest. */
export function tableOf(regions: readonly GuestRegion[], firstId = 1): MemoryRegion[] {
  return regions.map(({ guestAddress, size, fd }, index) => ({
    id: firstId + index,
    guestAddress,
    size,
    fd,
    fdOffset: 0,
  }));
}

export interface MappedGuest {
  guest: GuestMemory;
  map: MemoryMap;
  /** Frees both. */
  free(): void;
}

export function mapGuest(
  layout: readonly RegionLayout[] = [{ guestAddress: 0, size: 2 ** 20 }],
): MappedGuest {
  const guest = new GuestMemory(layout);
  const map = new MemoryMap();
  map.replace(tableOf(guest.regions));
  return {
    guest,
    map,
    free: () => {
      map.clear();
      guest.free();
    },
  };
}
