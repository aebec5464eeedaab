// What the VMM and the guest's program tell each other (guest/layout.h). Words of 32 bits; offsets in bytes.

/** Where a guest begins, in 32-bit protected mode, and what lies in ESI then. */
export interface Entry {
  address: number;
  argument: number;
}

/** Guest-physical addresses. */
export const Address = { boot: 0x1000, report: 0x2000, program: 0x10_0000, device: 0xd000_0000 } as const;

export const bootMagic = 0x4b50_5646;
export const deviceIrq = 5;
/** The line that {@link ExtraQueue.ECHO} raises. */
export const echoIrq = 6;

export const Task = {
  ANIMATION: 0,
  ROUND_TRIPS: 1,
  STEPS: 2,
  MESSAGE_INTERRUPT: 3,
  TRIPLE_FAULT: 4,
  BROKEN_RINGS: 5,
  MISSING_RINGS: 6,
} as const;

export const BootFlag = { EVENT_IDX: 1, LEVEL: 2, LOST_KICKS: 4, SPURIOUS_KICKS: 8 } as const;

export const BootPage = {
  magic: 0,
  task: 4,
  flags: 8,
  deviceAddress: 12,
  deviceIrq: 16,
  count: 20,
  depth: 24,
  bytes: 28,
} as const;

export const ReportPage = {
  frames: 0,
  commands: 4,
  interrupts: 8,
  idleInterrupts: 12,
  configChanges: 16,
  kicks: 20,
  samplesAddress: 24,
  sampleCount: 28,
  failedLine: 32,
  failedValue: 36,
  failedFile: 40,
  failedFileBytes: 32,
  bytes: 72,
} as const;

/** Written by the program. A write to the second one asks for nothing. */
export const Port = { EVENT: 0x500, IDLE: 0x504 } as const;
export const GuestEvent = { FRAME: 1, DONE: 2, FAILED: 3 } as const;

/**
 * Queues that the device does not have: kicks of the first wake nobody, those of the second raise {@link echoIrq}, and those
 * of the third wake somebody who does so.
 */
export const ExtraQueue = { SINK: 2, ECHO: 3, RELAY: 4 } as const;

/** What Task.STEPS measures, one after the other: `count` samples each. */
export const steps = ["nothing", "exit", "kick", "interrupt", "relay", "register", "driver"] as const;

/** What a device's message-signalled interrupt is, as the program awaits it: to the first processor, with its vector. */
export const message = { address: 0xfee0_0000, vector: 0x40 } as const;
