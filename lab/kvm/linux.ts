// An ordinary Linux kernel in a guest's memory, by the 32-bit protocol of a bzImage (Documentation/arch/x86/boot.rst).

import { readFileSync } from "node:fs";
import { Refusal } from "../../src/transport/os/errors.ts";
import type { GuestRegion } from "../driver/guest-memory.ts";
import { Address, type Entry } from "./layout.ts";

export interface LinuxOptions {
  /** Paths of a bzImage and of its initramfs. */
  image: string;
  initramfs: string;
  commandLine: string;
}

/** Offsets in the image, and in struct boot_params, where the header lies at the same place. */
const Header = {
  start: 0x1f1,
  setupSectors: 0x1f1,
  jumpLength: 0x201,
  magic: 0x202,
  loader: 0x210,
  loadFlags: 0x211,
  initramfs: 0x218,
  initramfsBytes: 0x21c,
  commandLine: 0x228,
} as const;
const BootParams = { e820Count: 0x1e8, e820: 0x2d0, bytes: 4096 } as const;
const E820Entry = { address: 0, size: 8, type: 16, bytes: 20 } as const;
const headerMagic = 0x5372_6448;
const unknownLoader = 0xff;
/** LOADED_HIGH: the protected-mode part lies at 1 MiB. */
const loadedHigh = 1;
const usableRam = 1;
const sectorBytes = 512;
/** Where a PC's firmware and its memory for video begin. */
const lowMemoryEnd = 0x9_fc00;
const at = { bootParams: 0x7000, commandLine: 0x2_0000 } as const;

/** Returns where the guest begins. Throws a Refusal where the files are none, or are too large for the memory. */
export function loadLinux(ram: GuestRegion, { image, initramfs, commandLine }: LinuxOptions): Entry {
  const kernel = read(image);
  const header = new DataView(kernel.buffer, kernel.byteOffset, kernel.byteLength);
  if (kernel.length < 0x400 || header.getUint32(Header.magic, true) !== headerMagic)
    throw new Refusal(`${image} is no bzImage of Linux`);
  const setupBytes = ((header.getUint8(Header.setupSectors) || 4) + 1) * sectorBytes;
  const files = read(initramfs);
  const filesAt = Math.floor((ram.size - files.length) / 4096) * 4096;
  if (filesAt < Address.program + 8 * kernel.length)
    throw new Refusal(`a guest of ${ram.size} bytes has no room for ${initramfs}`);
  const memory = new Uint8Array(ram.buffer);
  memory.set(kernel.subarray(setupBytes), Address.program);
  memory.set(files, filesAt);
  memory.set(new TextEncoder().encode(`${commandLine}\0`), at.commandLine);
  const headerEnd = Header.magic + header.getUint8(Header.jumpLength);
  memory.set(kernel.subarray(Header.start, headerEnd), at.bootParams + Header.start);
  const params = new DataView(ram.buffer, at.bootParams, BootParams.bytes);
  params.setUint8(Header.loader, unknownLoader);
  params.setUint8(Header.loadFlags, params.getUint8(Header.loadFlags) | loadedHigh);
  params.setUint32(Header.initramfs, filesAt, true);
  params.setUint32(Header.initramfsBytes, files.length, true);
  params.setUint32(Header.commandLine, at.commandLine, true);
  addRam(params, 0, lowMemoryEnd);
  addRam(params, Address.program, ram.size - Address.program);
  return { address: Address.program, argument: at.bootParams };
}

function addRam(params: DataView, address: number, size: number): void {
  const index = params.getUint8(BootParams.e820Count);
  const offset = BootParams.e820 + index * E820Entry.bytes;
  params.setBigUint64(offset + E820Entry.address, BigInt(address), true);
  params.setBigUint64(offset + E820Entry.size, BigInt(size), true);
  params.setUint32(offset + E820Entry.type, usableRam, true);
  params.setUint8(BootParams.e820Count, index + 1);
}

function read(path: string): Uint8Array<ArrayBuffer> {
  try {
    return new Uint8Array(readFileSync(path));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new Refusal(`${path} cannot be read (${code}): run ./setup.sh first`, { cause: error });
  }
}
