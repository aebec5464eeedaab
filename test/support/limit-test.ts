// A test of one limit: at it all is well, one more is refused, nobody else suffers, and the log names the option that allows more.
// test/limits.test.ts sees to it that there is one for each.

import { test } from "bun:test";
import { flagOf } from "../../src/config-flag.ts";
import type { LimitName } from "../../src/config-limits.ts";
import { driverPatienceMs } from "./patience.ts";

/** What the kernel alone knows of: it refuses memory to a process, which tells the guest. */
export const untold: readonly LimitName[] = ["vulkanBytesMax"];

let logOfFile: (() => string) | null = null;

/** Where the limits of the tests that follow in a file are told of. */
export function limitsAreTold(log: () => string): void {
  logOfFile = log;
}

export function limitTest(limit: LimitName, title: string, body: () => unknown): void {
  const log = logOfFile;
  test(`${limit}: ${title}`, async () => {
    await body();
    if (untold.includes(limit)) return;
    for (const deadline = performance.now() + driverPatienceMs; !tells(log!(), limit); await Bun.sleep(5))
      if (performance.now() > deadline) throw new Error(`no line has --${flagOf(limit)}:\n${log!()}`);
  });
}

/** Whether a line names the option; another one may begin alike. */
const tells = (log: string, limit: LimitName): boolean =>
  new RegExp(`--${flagOf(limit)}(?![\\w-])`).test(log);
