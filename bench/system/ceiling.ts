// How many commands a second the driver can send when the device costs nothing: no server can be measured as faster.
// Prints samples, a JSON array of commands a second.

import { Echo } from "./echo.ts";
import { dieWithParent } from "./scheduling.ts";

const windows = 20;
const commands = 200_000;

dieWithParent();
const { pipeline } = new Echo();
const rates: number[] = [];
for (let window = -windows; window < windows; window++) {
  const from = Bun.nanoseconds();
  pipeline.run(commands);
  if (window >= 0) rates.push((commands / (Bun.nanoseconds() - from)) * 1e9);
}
console.log(JSON.stringify(rates));
process.exit(0);
