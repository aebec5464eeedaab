// The guest kernel's log as its program reports it: "<level>[ time] text", drm and alarming lines only.

import type { Kernel } from "../../../lab/qemu/cache.ts";

const warningLevel = 4;
const alarms = /WARNING|BUG|\*ERROR\*|Call Trace|Oops|RIP:|blocked for more than|\bstall/;

/** Lines that are warnings or worse, without their times, so that two boots compare. */
export function warnings(log: readonly string[]): string[] {
  return log
    .filter((line) => Number(/^<(\d+)>/.exec(line)?.[1] ?? 0) <= warningLevel || alarms.test(line))
    .map((line) => line.replace(/^<\d+>\[ *[\d.]+\] /, ""));
}

/** Lines that only follow a headline. */
const detail = /^(Modules linked in:|Call Trace:|RIP: | [\w.]+\+0x)/;

/** What a kernel says although nothing is wrong with its device. */
const known: Record<Kernel, readonly RegExp[]> = {
  "6.1": [
    /drm_plane_enable_fb_damage_clips\(\) not called$/,
    // Unbound from a device with virgl, the driver forgets the objects of commands that it no longer sends.
    /^WARNING: .* at drivers\/gpu\/drm\/drm_mm\.c:\d+ drm_mm_takedown\+/,
  ],
  "6.12": [],
};

/** The headlines among the warnings that this kernel gives no other device's guest. */
export function complaints(log: readonly string[], kernel: Kernel): string[] {
  return warnings(log).filter(
    (line) => !detail.test(line) && !known[kernel].some((words) => words.test(line)),
  );
}
