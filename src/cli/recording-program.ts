// What the programs for recordings share: how they work on a long one, and how they end.

import { UsageError } from "../config-arguments.ts";
import { StatusLine } from "../recording/status-line.ts";
import { asRefusal, Refusal } from "../transport/os/errors.ts";
import { onStopSignals } from "../transport/os/stop-signals.ts";

const exitFailed = 1;
const exitUsage = 2;
const exitInterrupted = 130;

/** So long at most passes without a look at the signals. */
const breathMs = 25;

class Interrupted extends Refusal {}

/**
 * Does `work`, which {@link follow} may hold on to by the signal, and says in one line why it could not be done. Returns the
 * exit code; a bug goes on up.
 */
export async function exitCodeOf(
  program: string,
  work: (signal: AbortSignal) => void | Promise<void>,
): Promise<number> {
  const stopping = new AbortController();
  onStopSignals(
    () => stopping.abort(),
    () => process.exit(exitInterrupted),
  );
  try {
    await work(stopping.signal);
    return 0;
  } catch (error) {
    if (error instanceof Interrupted) {
      console.error("interrupted");
      return exitInterrupted;
    }
    if (error instanceof UsageError) {
      console.error(`${program}: ${error.message}. See --help.`);
      return exitUsage;
    }
    console.error(`${program}: ${asRefusal(error).message}`);
    return exitFailed;
  }
}

/** Runs `work` to its end: says how far it is, by the parts of the whole that it yields, and stops at a signal. */
export async function follow<T>(work: Generator<number, T>, signal: AbortSignal): Promise<T> {
  const line = new StatusLine();
  let breathed = performance.now();
  try {
    for (;;) {
      const { done, value } = work.next();
      if (done) return value;
      if (performance.now() - breathed < breathMs) continue;
      line.tell(() => `${Math.floor(100 * value)} %`);
      await Bun.sleep(0);
      if (signal.aborted) throw new Interrupted();
      breathed = performance.now();
    }
  } finally {
    line.end();
  }
}

/** The one path among a program's words. Throws {@link UsageError}. */
export function onePath([path, ...rest]: readonly string[]): string {
  if (path === undefined || rest.length > 0) throw new UsageError("want the path of one recording");
  return path;
}
