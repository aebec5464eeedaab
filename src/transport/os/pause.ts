// A pause of this thread by poll(2), which every sandbox allows. Bun.sleepSync ends the process where clock_nanosleep(2) is refused.

import { libc } from "../../ffi/libc.ts";

/** Does nothing for so many milliseconds. */
export function pauseMs(ms: number): void {
  libc.poll(null, 0, ms);
}
