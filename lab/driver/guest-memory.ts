// Guest RAM in memfds: regions at guest-physical addresses, an allocator over them, and typed views of what it gives.

import { closeFd, createMemfd } from "../../src/transport/os/fds.ts";
import { NativeMemory } from "../../src/transport/os/native-memory.ts";

/** A range of guest-physical memory, in bytes. */
export interface GuestRange {
  address: number;
  length: number;
}

export const pageBytes = 4096;
const mebibyte = 2 ** 20;

/** Low memory, a hole as of a PC's PCI window, and memory above 4 GiB. */
export const defaultRegions: readonly RegionLayout[] = [
  { guestAddress: 0, size: 32 * mebibyte },
  { guestAddress: 2 ** 32, size: 96 * mebibyte },
];

export interface RegionLayout {
  guestAddress: number;
  size: number;
  /** Memory of at least that size, which the region takes over; without it, a memfd of its own. */
  fd?: number;
}

/** One memfd, mapped here and shareable with a device. `userAddress` is what vhost-user calls the address here. */
export class GuestRegion {
  readonly fd: number;
  readonly userAddress: number;
  readonly buffer: ArrayBuffer;
  private readonly memory: NativeMemory;
  private next = 0;

  constructor(
    readonly guestAddress: number,
    readonly size: number,
    fd?: number,
  ) {
    this.fd = fd ?? createMemfd("guest-ram", size);
    this.memory = NativeMemory.mapShared(this.fd, 0, size, "write");
    this.userAddress = this.memory.address;
    this.buffer = this.memory.view();
  }

  get end(): number {
    return this.guestAddress + this.size;
  }

  holds(address: number, length: number): boolean {
    return address >= this.guestAddress && address + length <= this.end;
  }

  /** The next `length` bytes at a multiple of `alignment`, or null when the region is used up. */
  allocate(length: number, alignment: number): GuestBuffer | null {
    const offset = Math.ceil(this.next / alignment) * alignment;
    if (offset + length > this.size) return null;
    this.next = offset + length;
    return new GuestBuffer(this, offset, length);
  }

  free(): void {
    closeFd(this.fd);
    this.memory.unmap();
  }
}

/** Allocated guest memory with views of it. The views that need alignment exist where the address has it. */
export class GuestBuffer implements GuestRange {
  readonly address: number;
  readonly bytes: Uint8Array;

  constructor(
    readonly region: GuestRegion,
    private readonly offset: number,
    readonly length: number,
  ) {
    this.address = region.guestAddress + offset;
    this.bytes = new Uint8Array(region.buffer, offset, length);
  }

  /** The address in this process, which SET_VRING_ADDR names. */
  get userAddress(): number {
    return this.region.userAddress + this.offset;
  }

  get data(): DataView {
    return new DataView(this.region.buffer, this.offset, this.length);
  }

  get words(): Uint32Array {
    return new Uint32Array(this.region.buffer, this.offset, this.length >>> 2);
  }

  get halfwords(): Uint16Array {
    return new Uint16Array(this.region.buffer, this.offset, this.length >>> 1);
  }

  /** Part of this buffer. */
  slice(offset: number, length: number): GuestBuffer {
    if (offset < 0 || length < 0 || offset + length > this.length) {
      throw new RangeError(`slice ${offset}+${length} of a buffer of ${this.length} bytes`);
    }
    return new GuestBuffer(this.region, this.offset + offset, length);
  }
}

export class GuestMemory {
  readonly regions: GuestRegion[] = [];

  constructor(layout: readonly RegionLayout[] = defaultRegions) {
    for (const { guestAddress, size, fd } of layout) this.addRegion(guestAddress, size, fd);
  }

  /** Makes a region of its own memfd; telling the device is the front-end's part. */
  addRegion(guestAddress: number, size: number, fd?: number): GuestRegion {
    const region = new GuestRegion(guestAddress, size, fd);
    this.regions.push(region);
    return region;
  }

  /** Forgets `region` and frees it: no view of it may be used any more. */
  removeRegion(region: GuestRegion): void {
    this.regions.splice(this.regions.indexOf(region), 1);
    region.free();
  }

  /** `length` zeroed bytes at a multiple of `alignment`; throws when the RAM is used up. */
  allocate(length: number, alignment = pageBytes): GuestBuffer {
    for (const region of this.regions) {
      const buffer = region.allocate(length, alignment);
      if (buffer !== null) return buffer;
    }
    throw new RangeError(`guest RAM has no ${length} bytes left: give the guest more`);
  }

  /** As {@link allocate}, in the region that holds `address`. */
  allocateIn(region: GuestRegion, length: number, alignment = pageBytes): GuestBuffer {
    const buffer = region.allocate(length, alignment);
    if (buffer === null) throw new RangeError(`this region of guest RAM has no ${length} bytes left`);
    return buffer;
  }

  /** The bytes at guest-physical `address`; throws where no region holds all of them. */
  bytesAt(address: number, length: number): Uint8Array {
    const region = this.regions.find((one) => one.holds(address, length));
    if (region === undefined)
      throw new RangeError(`no guest RAM at 0x${address.toString(16)}, ${length} bytes`);
    return new Uint8Array(region.buffer, address - region.guestAddress, length);
  }

  /** Copies out of scattered memory. */
  gather(ranges: readonly GuestRange[]): Uint8Array {
    const bytes = new Uint8Array(totalLength(ranges));
    let offset = 0;
    for (const { address, length } of ranges) {
      if (length > 0) bytes.set(this.bytesAt(address, length), offset);
      offset += length;
    }
    return bytes;
  }

  /** Copies `bytes` into scattered memory; what is left over is dropped. */
  scatter(bytes: Uint8Array, ranges: readonly GuestRange[]): void {
    let offset = 0;
    for (const { address, length } of ranges) {
      if (length > 0) this.bytesAt(address, length).set(bytes.subarray(offset, offset + length));
      offset += length;
    }
  }

  free(): void {
    for (const region of this.regions.splice(0)) region.free();
  }
}

function totalLength(ranges: readonly GuestRange[]): number {
  return ranges.reduce((sum, range) => sum + range.length, 0);
}
