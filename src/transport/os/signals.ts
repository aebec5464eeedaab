// What whoever started this process has said about its signals.

import { readFileSync } from "node:fs";
import { constants } from "node:os";

/**
 * Whether this process ignores `signal`, as nohup(1) has it ignore SIGHUP, and a shell without job control SIGINT for what runs in
 * the background. Asked before a handler is there.
 */
export function isIgnored(signal: NodeJS.Signals): boolean {
  const mask = /^SigIgn:\s*([0-9a-f]+)$/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1] ?? "0";
  // Bit n is signal n + 1; those that are asked for lie in the low 32.
  const low = Number.parseInt(mask.slice(-8), 16);
  return ((low >>> (constants.signals[signal] - 1)) & 1) !== 0;
}
