// The guest's monotonic clock against the host's, in microseconds.

import type { QemuGuest } from "./qemu-guest.ts";
import { TraceReader, traceTimes } from "./trace.ts";

/** One moment on both clocks; the host's is that of QEMU's traces. */
export interface ClockReading {
  guestUs: number;
  hostUs: number;
  /** The two may be as far apart as this. */
  errorUs: number;
}

const attemptsMax = 10;
const enoughUs = 10;
/** QEMU's event for a device's register, and the port and value that the guest writes there (lab/guest/clock.c). */
const event = "memory_region_ops_write";
const mark = "addr 0x80 value 0x1 ";

/**
 * The guest writes to a port, between two looks at its clock, and QEMU's trace in `tracePath` tells when it saw that;
 * the nearest of some attempts.
 */
export async function readClocks(guest: QemuGuest, tracePath: string): Promise<ClockReading> {
  const reader = new TraceReader(tracePath);
  await guest.qmp.execute("trace-event-set-state", { name: event, enable: true });
  let best: ClockReading = { guestUs: 0, hostUs: 0, errorUs: Infinity };
  for (let attempt = 0; attempt < attemptsMax && best.errorUs > enoughUs; attempt++) {
    reader.take();
    const [answer = ""] = await guest.run("clock");
    const [guestUs, errorUs] = answer.split(" ").map(Number) as [number, number];
    const hostUs = traceTimes(reader.take(), event, mark).at(-1);
    if (hostUs === undefined) throw new Error("QEMU's trace has no mark of the guest's clock");
    if (errorUs < best.errorUs) best = { guestUs, hostUs, errorUs };
  }
  await guest.qmp.execute("trace-event-set-state", { name: event, enable: false });
  return best;
}

/** The host's time of a guest's, by two readings around it: the emulated clock's rate may be a little off. */
export function hostTimes(before: ClockReading, after: ClockReading): (guestUs: number) => number {
  const rate = (after.hostUs - before.hostUs) / (after.guestUs - before.guestUs);
  return (guestUs) => before.hostUs + (guestUs - before.guestUs) * rate;
}
