// The guest's memory regions as the front-end shared them: kept for actors that start late, and for translating the
// front-end's own addresses into guest-physical ones.

import { closeFd } from "../../transport/os/fds.ts";
import { memorySlotsMax } from "../../transport/wire/vhost-user/protocol.ts";
import { ProtocolError } from "../../transport/wire/vhost-user/protocol-error.ts";
import { notShared, type Region } from "../../transport/wire/vhost-user/requests.ts";

interface Kept extends Region {
  id: number;
  fd: number;
}

export class MemoryTable {
  private regions: Kept[] = [];
  private nextId = 1;

  /** Of all regions. */
  get bytes(): number {
    return this.regions.reduce((sum, { size }) => sum + size, 0);
  }

  /** Adds a region and owns its fd from now on. */
  add(region: Region, fd: number): void {
    const kept = { ...region, id: this.nextId++, fd };
    this.regions.push(kept);
    if (region.size === 0) throw new ProtocolError("a memory region is empty");
    if (this.regions.length > memorySlotsMax)
      throw new ProtocolError(`more than ${memorySlotsMax} memory regions`);
    for (const end of [region.guestAddress, region.userAddress, region.fdOffset]) {
      if (end + region.size > Number.MAX_SAFE_INTEGER)
        throw new ProtocolError("a memory region wraps around");
    }
  }

  /** Removes the region that has the same addresses and size. */
  remove(region: Region): void {
    const index = this.regions.findIndex(
      (kept) =>
        kept.guestAddress === region.guestAddress &&
        kept.userAddress === region.userAddress &&
        kept.size === region.size,
    );
    if (index < 0) {
      throw new ProtocolError(
        `REM_MEM_REG names no region: guest address 0x${region.guestAddress.toString(16)}`,
      );
    }
    for (const kept of this.regions.splice(index, 1)) closeFd(kept.fd);
  }

  clear(): void {
    for (const region of this.regions.splice(0)) closeFd(region.fd);
  }

  /** Whether an address of the front-end's lies in memory that is shared. */
  holds(userAddress: number): boolean {
    return this.regionOf(userAddress) !== undefined;
  }

  /** The guest-physical address of an address of the front-end's. */
  guestAddressOf(userAddress: number, what: string): number {
    const region = this.regionOf(userAddress);
    if (region !== undefined) return region.guestAddress + (userAddress - region.userAddress);
    throw new ProtocolError(
      `${what} at front-end address 0x${userAddress.toString(16)} lies in no memory region that is shared: ${notShared}`,
    );
  }

  private regionOf(userAddress: number): Region | undefined {
    return this.regions.find(
      (one) => userAddress >= one.userAddress && userAddress - one.userAddress < one.size,
    );
  }

  /** The whole table for an actor that has the regions in `known`, with duplicates for those it has not. */
  forActor(
    known: Set<number>,
    duplicate: (fd: number) => number,
  ): { id: number; guestAddress: number; size: number; fd: number; fdOffset: number }[] {
    const table = this.regions.map(({ id, guestAddress, size, fd, fdOffset }) => ({
      id,
      guestAddress,
      size,
      fdOffset,
      fd: known.has(id) ? -1 : duplicate(fd),
    }));
    known.clear();
    for (const { id } of this.regions) known.add(id);
    return table;
  }
}
