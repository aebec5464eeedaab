// What the signals that end a program mean to the server: stop in order, or at once where one comes again.

import { isIgnored } from "./signals.ts";

const stopSignals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
export type StopSignal = (typeof stopSignals)[number];

/**
 * Signals so soon after the first are the same wish: a terminal sends its Ctrl-C to `bun run` and the server alike, and
 * `bun run` passes its own on; systemd sends SIGHUP right behind SIGTERM where it is told to (SendSIGHUP=).
 */
const sameWishMs = 500;

/** Calls `inOrder` at the first of the signals that are not ignored, and `atOnce` at one that comes later. */
export function onStopSignals(
  inOrder: (signal: StopSignal) => void,
  atOnce: (signal: StopSignal) => void,
): void {
  let wishedAt: number | null = null;
  for (const signal of stopSignals) {
    if (isIgnored(signal)) continue;
    process.on(signal, () => {
      if (wishedAt === null) {
        wishedAt = performance.now();
        inOrder(signal);
      } else if (performance.now() - wishedAt >= sameWishMs) atOnce(signal);
    });
  }
}
