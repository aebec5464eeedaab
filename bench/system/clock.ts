// The clock that all processes share.

import { dlopen } from "bun:ffi";

const { symbols: libc } = dlopen("libc.so.6", {
  clock_gettime: { args: ["i32", "ptr"], returns: "i32" },
});

const CLOCK_MONOTONIC = 1;
/** struct timespec: seconds and nanoseconds, 64 bits each, of which 32 do. */
const time = new Uint32Array(4);

/** Nanoseconds of CLOCK_MONOTONIC. */
export function nowNs(): number {
  libc.clock_gettime(CLOCK_MONOTONIC, time);
  return time[0]! * 1e9 + time[2]!;
}
