// The one door to time for whoever runs in a thread of its own: what it reads, and how it pauses. A simulation puts a clock
// of its own behind it, so that a seed says when everything happens.

import { libc } from "../../ffi/libc.ts";

export interface Clock {
  /** Nanoseconds of a clock that never goes back. */
  nanoseconds(): number;
  /** Lets so many milliseconds go by. */
  pause(ms: number): void;
}

let simulated: Clock | null = null;

/** Puts `clock` in the place of the host's, of this thread; null gives that back. */
export function simulateTime(clock: Clock | null): void {
  simulated = clock;
}

/** Whether the time is a simulation's. */
export const isSimulated = (): boolean => simulated !== null;

/** Nanoseconds of a clock that never goes back, and begins with the thread. */
export const nanoseconds = (): number => (simulated === null ? Bun.nanoseconds() : simulated.nanoseconds());

/** As {@link nanoseconds}, in milliseconds. */
export const milliseconds = (): number => nanoseconds() / 1e6;

/** Milliseconds since 1970; of a simulation, since it began. */
export const wallMilliseconds = (): number => (simulated === null ? Date.now() : Math.floor(milliseconds()));

/**
 * Does nothing for so many milliseconds: by poll(2), which every sandbox allows. Bun.sleepSync ends the process where
 * clock_nanosleep(2) is refused.
 */
export function pauseMs(ms: number): void {
  if (simulated === null) libc.poll(null, 0, ms);
  else simulated.pause(ms);
}
