// Ctrl-C of a program that runs for long: it ends with what it has until then, or at once where that is asked for again.

import { onStopSignals } from "../src/transport/os/stop-signals.ts";

/** As a shell tells of a program that SIGINT has ended. */
const exitInterrupted = 130;

/** Aborted by the first signal, of which a line tells; a later one ends the process. */
export function untilStopped(program: string): AbortSignal {
  const stopping = new AbortController();
  onStopSignals(
    () => {
      console.error(`${program}: ends with what it is at; Ctrl-C again ends it at once`);
      stopping.abort();
    },
    () => process.exit(exitInterrupted),
  );
  return stopping.signal;
}
