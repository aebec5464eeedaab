// How long a test may take that waits for threads or processes: one that hangs is ended, one that is slow on a busy
// machine is not. Bun's own limit is 5 s.

import { setDefaultTimeout } from "bun:test";

/** Longer where everything is slow, as in a guest on an emulated CPU. */
const limitMs = Number(process.env["FENCEPOST_TEST_PATIENCE_MS"] ?? 30_000);

/** How long a driver waits for the device, in milliseconds: one that hangs is told by its own words, not by the test's end. */
export const driverPatienceMs = limitMs / 3;

/** Gives the tests of a file time: said for every one by the set-up, so that a file need only say what it wants otherwise. */
export const bePatient = (): void => setDefaultTimeout(limitMs);
