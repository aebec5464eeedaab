// A guest whose desktop changes at a steady rate, for workloads/canvas.ts. Prints when it flushed each update, by
// CLOCK_MONOTONIC in milliseconds, as JSON.
//
//   bun bench/system/inspector/desktop-guest.ts SOCKET UPDATES PER_SECOND

import { SyntheticGuest } from "../../../lab/driver/synthetic-guest.ts";
import { Desktop } from "../../../lab/scenes/desktop.ts";
import { MonotonicClock } from "../../../src/transport/os/monotonic-clock.ts";
import { dieWithParent } from "../scheduling.ts";

dieWithParent();
const [socketPath, updates, perSecond] = process.argv.slice(2);
const clock = new MonotonicClock();
const nowMs = (): number => clock.now() / 1e6;
const guest = SyntheticGuest.boot(socketPath!, { display: {}, patienceMs: 20_000 });
const desktop = new Desktop(guest.gpu, 1);
guest.pump.serve(1_000);

const start = nowMs();
const flushedMs: number[] = [];
for (let number = 1; number <= Number(updates); number++) {
  // Against the beat of whoever looks, so that every phase of it comes.
  const jitterMs = (number * 7919) % 17;
  guest.pump.serve(Math.max(0, start + (number * 1000) / Number(perSecond) + jitterMs - nowMs()));
  flushedMs.push(nowMs());
  desktop.show(number);
}
guest.pump.serve(1_000);
await Bun.write(Bun.stdout, JSON.stringify(flushedMs));
process.exit(0);
