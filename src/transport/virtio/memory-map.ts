// The guest's physical memory as this actor has it mapped: bounds checks, translation, and the dirty-page log.
// vhost-user "Memory region description"; every address that a guest names goes through here.

import type { DirtyLog } from "./dirty-log.ts";
import { asRefusal, Refusal } from "../os/errors.ts";
import { closeFd, duplicateFdIfRoom, isSizeSealed } from "../os/fds.ts";
import { NativeMemory } from "../os/native-memory.ts";
import { type HostSpan, MemoryWindows } from "./memory-windows.ts";

const pageBytes = 4096;

/** One shared region. `id` stays the same while the region stays mapped. Sizes and addresses are bytes below 2^53. */
export interface MemoryRegion {
  id: number;
  guestAddress: number;
  size: number;
  fd: number;
  fdOffset: number;
}

/** Guest-physical addresses from `start` up to `end`. */
export interface GuestSpan {
  readonly start: number;
  readonly end: number;
}

/** Where something lies in a file that the VMM shares. */
export interface FilePlace {
  /** Stays the map's. */
  fd: number;
  offset: number;
  /** How many bytes follow one another from there on. */
  bytes: number;
}

interface MappedRegion extends HostSpan {
  id: number;
  memory: NativeMemory;
  /** Its file, to be mapped elsewhere page by page; -1 where that was not kept, or cannot be. */
  fd: number;
  fdOffset: number;
}

export class MemoryMap {
  private regions: MappedRegion[] = [];
  /** The region that was found last, or one that holds nothing: rings and requests mostly lie in one. */
  private near: HostSpan = nowhere;

  /** For addresses that jump between regions; another table after each {@link replace}. */
  windows = new MemoryWindows([]);

  /** Bytes from the address last given to {@link translate} to the end of its region, or of the hole that it is in. */
  contiguous = 0;
  /** Where written pages are recorded, while the VMM asks for it. */
  dirtyLog: DirtyLog | null = null;

  /**
   * The host address of guest-physical `address`, or 0 when no region holds it.
   * {@link contiguous} then says how many bytes may be used from there on.
   */
  translate(address: number): number {
    const { near } = this;
    if (address < near.start || address >= near.end) return this.jump(address);
    this.contiguous = near.end - address;
    return near.host + (address - near.start);
  }

  /** The host address of `[address, address + length)` when one region holds all of it, else 0. */
  translateRange(address: number, length: number): number {
    const { near } = this;
    if (address >= near.start && address + length <= near.end) return near.host + (address - near.start);
    const host = this.translate(address);
    return host !== 0 && length <= this.contiguous ? host : 0;
  }

  /** `keepsFiles`: their descriptors stay open, for {@link fileOf}. */
  constructor(private readonly keepsFiles = false) {}

  /** Where guest-physical `address` lies in what the VMM shares, to be mapped page by page; null where it does not, or can't be. */
  fileOf(address: number): FilePlace | null {
    if (this.translate(address) === 0) return null;
    const { fd, fdOffset, start } = this.near as MappedRegion;
    return fd < 0 ? null : { fd, offset: fdOffset + (address - start), bytes: this.contiguous };
  }

  /** Whether all of `[address, address + length)` is guest memory, in however many regions. */
  holds(address: number, length: number): boolean {
    for (let done = 0; done < length; done += this.contiguous) {
      if (this.translate(address + done) === 0) return false;
    }
    return true;
  }

  /** What is guest memory now, in order. */
  get spans(): readonly GuestSpan[] {
    return this.regions;
  }

  /** Records that `length` bytes from guest-physical `address` were written. */
  wrote(address: number, length: number): void {
    if (this.dirtyLog !== null) this.dirtyLog.mark(address, length);
  }

  /** What {@link replace} with this table unmaps. */
  vanishing(table: readonly MemoryRegion[]): GuestSpan[] {
    const spans: GuestSpan[] = [];
    for (const region of this.regions) {
      if (!table.some(({ id }) => id === region.id)) spans.push(region);
    }
    return spans;
  }

  /**
   * Makes the map equal to `table`: regions with a known id stay mapped, others are mapped from their fd (which the
   * caller still owns), and those that are gone are unmapped. Callers drop every view of what is {@link vanishing} first.
   * Throws a {@link Refusal}, with the map unchanged, when a region cannot be mapped or lies outside of its file.
   */
  replace(table: readonly MemoryRegion[]): void {
    const known = new Map(this.regions.map((region) => [region.id, region]));
    const added: MappedRegion[] = [];
    let next: MappedRegion[];
    try {
      next = table.map((region) => {
        const kept = known.get(region.id);
        if (kept !== undefined) return kept;
        const mapped = mapRegion(region, this.keepsFiles);
        added.push(mapped);
        return mapped;
      });
      next.sort((a, b) => a.start - b.start);
      next.forEach((region, index) => {
        if (index > 0 && next[index - 1]!.end > region.start) {
          throw new Refusal(`memory regions overlap at guest address 0x${region.start.toString(16)}`);
        }
      });
    } catch (error) {
      for (const region of added) unmapRegion(region);
      throw error;
    }
    const keptIds = new Set(next.map((region) => region.id));
    for (const region of this.regions) if (!keptIds.has(region.id)) unmapRegion(region);
    this.regions = next;
    this.windows = new MemoryWindows(next);
    this.near = nowhere;
  }

  /** Unmaps everything. */
  clear(): void {
    this.replace([]);
  }

  /** As {@link translate}, for an address elsewhere than the last. */
  private jump(address: number): number {
    const region = this.windows.regionNear(address);
    if (region === undefined || address < region.start || address >= region.end) return this.search(address);
    this.near = region;
    this.contiguous = region.end - address;
    return region.host + (address - region.start);
  }

  /** As {@link translate}, in all regions. */
  private search(address: number): number {
    const { regions } = this;
    let low = 0;
    let high = regions.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if (regions[middle]!.start <= address) low = middle;
      else high = middle - 1;
    }
    const region = regions[low];
    if (region === undefined || address < region.start || address >= region.end) {
      const above = region !== undefined && address < region.start ? region : regions[low + 1];
      this.contiguous = above === undefined ? Infinity : above.start - address;
      return 0;
    }
    this.near = region;
    this.contiguous = region.end - address;
    return region.host + (address - region.start);
  }
}

const nowhere: HostSpan = { start: Infinity, end: 0, host: 0 };

function unmapRegion({ memory, fd }: MappedRegion): void {
  memory.unmap();
  closeFd(fd);
}

function mapRegion(region: MemoryRegion, keepsFile: boolean): MappedRegion {
  const { id, guestAddress, size, fd, fdOffset } = region;
  const what = `memory region at guest address 0x${guestAddress.toString(16)}`;
  const memory = NativeMemory.mapForeign(fd, fdOffset, size, what);
  // Where others map it page by page, none of it may go under them.
  const kept = keepsFile && isSizeSealed(fd) && isPaged(region) ? duplicateFdIfRoom(fd) : -1;
  const end = guestAddress + size;
  return { id, start: guestAddress, end, host: memory.address, memory, fd: kept, fdOffset };
}

/** Whether single pages of its file can be mapped: huge pages of hugetlbfs can only whole. */
function isPaged({ fd, fdOffset, size }: MemoryRegion): boolean {
  if (fdOffset % pageBytes !== 0 || size < 2 * pageBytes) return false;
  try {
    NativeMemory.mapShared(fd, fdOffset + pageBytes, pageBytes, "read").unmap();
    return true;
  } catch (error) {
    asRefusal(error);
    return false;
  }
}
