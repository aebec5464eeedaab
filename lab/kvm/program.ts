// The program that the guest runs, as scripts/build-kvm-guest.sh has built it, and what it is told to do.

import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { Refusal } from "../../src/transport/os/errors.ts";
import type { GuestRegion } from "../driver/guest-memory.ts";
import { Address, BootFlag, bootMagic, BootPage, deviceIrq, type Entry, Task } from "./layout.ts";

export interface ProgramOptions {
  task?: keyof typeof Task;
  /** Frames to draw (0: no end), or samples to take. */
  count?: number;
  /** Commands in flight, where round trips are measured. */
  depth?: number;
  eventIdx?: boolean;
  /** What the guest's interrupt controller makes of the device's line. */
  trigger?: "edge" | "level";
  /** Leaves out one kick in three, and makes up for it late; kicks both queues again after each kick. */
  lostKicks?: boolean;
  spuriousKicks?: boolean;
}

const path = join(import.meta.dir, "..", "..", ".cache", "kvm", "guest.bin");

/** Throws a Refusal where it was not built. */
export function checkProgram(): void {
  if (!existsSync(path))
    throw new Refusal(".cache/kvm/guest.bin is missing: run scripts/build-kvm-guest.sh, or ./setup.sh");
}

/** Returns where it begins. Throws a Refusal where it was not built. */
export function loadProgram(ram: GuestRegion, options: ProgramOptions): Entry {
  checkProgram();
  new Uint8Array(ram.buffer).set(readFileSync(path), Address.program);
  writeBootPage(new DataView(ram.buffer, Address.boot, BootPage.bytes), options);
  return { address: Address.program, argument: 0 };
}

function writeBootPage(page: DataView, options: ProgramOptions): void {
  const { task = "ANIMATION", count = 0, depth = 1, eventIdx = true } = options;
  const flags =
    (eventIdx ? BootFlag.EVENT_IDX : 0) |
    (options.trigger === "level" ? BootFlag.LEVEL : 0) |
    (options.lostKicks === true ? BootFlag.LOST_KICKS : 0) |
    (options.spuriousKicks === true ? BootFlag.SPURIOUS_KICKS : 0);
  page.setUint32(BootPage.magic, bootMagic, true);
  page.setUint32(BootPage.task, Task[task], true);
  page.setUint32(BootPage.flags, flags, true);
  page.setUint32(BootPage.deviceAddress, Address.device, true);
  page.setUint32(BootPage.deviceIrq, deviceIrq, true);
  page.setUint32(BootPage.count, count, true);
  page.setUint32(BootPage.depth, depth, true);
}
