// The guest's monotonic clock against the host's, in microseconds.

import { dlopen } from "bun:ffi";
import type { QemuGuest } from "./qemu-guest.ts";

const { symbols: libc } = dlopen("libc.so.6", { clock_gettime: { args: ["i32", "ptr"], returns: "i32" } });
const CLOCK_REALTIME = 0;
const attemptsMax = 40;
const enoughUs = 120;
const timespec = new BigInt64Array(2);

/** Microseconds since 1970, on the clock that QEMU's traces have. */
function hostUs(): number {
  libc.clock_gettime(CLOCK_REALTIME, timespec);
  return Number(timespec[0]) * 1e6 + Number(timespec[1]) / 1e3;
}

/** One moment on both clocks. */
export interface ClockReading {
  guestUs: number;
  hostUs: number;
  /** The two may be as far apart as this. */
  errorUs: number;
}

/** The nearest of some questions: the guest reads its clock somewhere between question and answer. */
export async function readClocks(guest: QemuGuest): Promise<ClockReading> {
  let best: ClockReading = { guestUs: 0, hostUs: 0, errorUs: Infinity };
  for (let attempt = 0; attempt < attemptsMax && best.errorUs > enoughUs; attempt++) {
    const asked = hostUs();
    const [answer] = await guest.run("clock");
    const errorUs = (hostUs() - asked) / 2;
    if (errorUs < best.errorUs) best = { guestUs: Number(answer), hostUs: asked + errorUs, errorUs };
  }
  return best;
}

/** The host's time of a guest's, by two readings around it: the emulated clock's rate may be a little off. */
export function hostTimes(before: ClockReading, after: ClockReading): (guestUs: number) => number {
  const rate = (after.hostUs - before.hostUs) / (after.guestUs - before.guestUs);
  return (guestUs) => before.hostUs + (guestUs - before.guestUs) * rate;
}
