// How much of a processor a thread is given while others want it too.

import { libc } from "../../ffi/libc.ts";

/** A third of what each of the others is given. */
const increment = 5;

/** This thread gives way to others; those of its process keep what they have. A host that forbids it changes nothing. */
export function lowerPriority(): void {
  // On Linux it is the thread's own, where POSIX has the process's.
  libc.nice(increment);
}
