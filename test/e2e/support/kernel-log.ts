// The guest kernel's log as its program reports it: "<level>[ time] text", drm and alarming lines only.

const warningLevel = 4;
const alarms = /WARNING|BUG|\*ERROR\*|Call Trace|Oops|RIP:|blocked for more than|stall/;

/** Lines that are warnings or worse, without their times, so that two boots compare. */
export function warnings(log: readonly string[]): string[] {
  return log
    .filter((line) => Number(/^<(\d+)>/.exec(line)?.[1] ?? 0) <= warningLevel || alarms.test(line))
    .map((line) => line.replace(/^<\d+>\[ *[\d.]+\] /, ""));
}
