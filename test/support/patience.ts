// How long a test may take that waits for threads or processes: one that hangs is ended, one that is slow on a busy
// machine is not. Bun's own limit is 5 s, and a file that wants another one says so itself.

import { setDefaultTimeout } from "bun:test";

/** Gives the tests of this file time. */
export const bePatient = (): void => setDefaultTimeout(30_000);
