// What the programs for recordings share: how they end.

import { UsageError } from "../config-arguments.ts";
import { asRefusal } from "../transport/os/errors.ts";

const exitFailed = 1;
const exitUsage = 2;

/** Does `work`, and says in one line why it could not be done. Returns the exit code; a bug goes on up. */
export function exitCodeOf(program: string, work: () => void): number {
  try {
    work();
    return 0;
  } catch (error) {
    console.error(`${program}: ${(error as Error).message}`);
    if (error instanceof UsageError) return exitUsage;
    asRefusal(error);
    return exitFailed;
  }
}

/** The one path among a program's words. Throws {@link UsageError}. */
export function onePath([path, ...rest]: readonly string[]): string {
  if (path === undefined || rest.length > 0) throw new UsageError("want the path of one recording");
  return path;
}
